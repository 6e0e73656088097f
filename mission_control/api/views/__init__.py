"""One module an object. A view finds, validates, calls one verb and answers."""
