"""The coordinators' console: a page a topic, all of them made by `web.console.framework`."""
