"""One module per kind of object, with separate serializers for reading and for writing."""
