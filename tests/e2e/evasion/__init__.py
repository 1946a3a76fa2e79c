"""Cases of evasion, one module for each part of the requirements; tests/e2e/evasions.py plays them."""
