"""Import and export the files of PocketPaw's Mission Control: one JSON array per kind of object."""
