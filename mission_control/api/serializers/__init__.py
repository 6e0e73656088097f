"""One module an object: what is read of it, and what may be written."""
