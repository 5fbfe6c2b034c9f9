"""`python -m ulmus`: the `ulmus` command, for when the script is not on the path."""

from ulmus.cli import app

if __name__ == "__main__":
    app(prog_name="ulmus")
