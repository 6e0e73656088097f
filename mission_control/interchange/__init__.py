"""Take over what PocketPaw's Mission Control stored, and write the same form: one JSON array a kind of object."""
