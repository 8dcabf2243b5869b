"""``python -m liftwing_host.server``: the command `liftwing-host`."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="liftwing-host")
