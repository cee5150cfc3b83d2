"""`python -m deploy.cli`, which starts processes without depending on where scripts are installed."""

from deploy.cli import main

main(prog_name="okacrm")
