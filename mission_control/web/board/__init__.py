"""The board: columns of cards, the slots, and the first steps of a new installation."""
