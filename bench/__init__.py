"""How fast the whole product is on this machine: `python -m bench`. README.md says what each figure means."""
