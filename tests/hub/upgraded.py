"""The command `hub` of a later version, in which the formula of rsi is another one."""

from app_cli import main
from tests.registry.store.files.yesterday import formulas

if __name__ == "__main__":
    with formulas(rsi=7):
        main()
