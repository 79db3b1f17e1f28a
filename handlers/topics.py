"""All topics: importing one registers its commands, buttons, links and forms."""

from handlers import forms, menu, roles

__all__ = ["forms", "menu", "roles"]
