"""What the `command` backend knows of programs: what is allowed, how each is called, what it says, how it ends."""
