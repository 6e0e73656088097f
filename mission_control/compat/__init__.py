"""One module for each dependency of which we use something private, undocumented or unstable.

Each says what it uses, of which version, and why, and everything else uses the module. Its test in
`tests/compat/` names what an upgrade has changed. Some seams lie elsewhere, where a module is nothing but
that: the table "Seams" in `docs/development.md` has all of them.
"""
