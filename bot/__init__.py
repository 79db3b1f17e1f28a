"""The running program: command line, settings, wiring, and the engines that run by themselves."""
