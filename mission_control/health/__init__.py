"""Whether the product can work: the disk, the schema of the database, the parts it needs."""
