"""One file a command: what it asks for, what it prints. The work is done in the modules beside this folder."""
