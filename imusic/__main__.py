"""`python -m imusic`."""

from imusic.cli import script

if __name__ == "__main__":
    script()
