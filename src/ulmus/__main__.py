"""`python -m ulmus`: the `ulmus` command where the script is not on the path. Knows nothing else."""

from ulmus.cli import app

if __name__ == "__main__":
    app(prog_name="ulmus")
