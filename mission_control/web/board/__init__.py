"""The board: columns of cards, the slots, the first steps."""
