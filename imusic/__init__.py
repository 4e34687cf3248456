"""The front door: command line, demo and simulated rig."""
