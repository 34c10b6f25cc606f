"""One file per command: its arguments and its output. The work is done in the modules beside this folder."""
