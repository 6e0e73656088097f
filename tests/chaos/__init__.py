"""`python -m tests.chaos`: break the running product on purpose, again and again, and see that it mends itself.

No tests for pytest: a program of its own (`__main__.py`) that takes minutes. A round (`rounds.py`) puts a load on
the product (`load.py`) while an audience watches (`audience.py`) and the database is sampled (`database.py`),
breaks one thing (`faults.py`), waits until all is well again, and compares what was acknowledged and shown
(`ledger.py`) with what is stored (`invariants.py`).
"""
