"""Addresses of other channels: Apprise URLs in which a person's phone or e-mail is filled in."""

from urllib.parse import quote

from services.channels import Reach

PLACES = {f"{{{reach.value}}}": reach for reach in Reach}
"""{phone} and {email}."""
PROBES = {Reach.PHONE: "+8613800138000", Reach.EMAIL: "somebody@example.org"}


def reach_of(url: str) -> Reach:
    """By what of a person it finds them. Raises KeyError if it holds no place for that."""
    return next(reach for place, reach in PLACES.items() if place in url)


def filled_in(url: str, address: str) -> str:
    for place in PLACES:
        url = url.replace(place, quote(address, safe=""))
    return url


def apprise_knows(url: str) -> bool:
    """Whether Apprise has a service for it and finds everything in it that the service needs."""
    import apprise  # takes half a second, which only deployments with other channels should pay

    return apprise.Apprise.instantiate(filled_in(url, PROBES[reach_of(url)])) is not None
