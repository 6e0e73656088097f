"""One module per kind of object. A view finds the object, validates the body, calls one action and answers."""
