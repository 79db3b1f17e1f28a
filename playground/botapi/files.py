"""Methods about files and pictures of people."""

from typing import Any

from playground.botapi.registry import Api, method
from playground.errors import bad_request


@method("getFile", file_id="str")
async def get_file(api: Api, file_id: str) -> Any:
    stored = api.world.files.get(file_id)
    if stored is None or api.bot.id not in stored.known_to:
        raise bad_request("invalid file_id")
    return {
        "file_id": stored.id,
        "file_unique_id": stored.unique_id,
        "file_size": stored.size,
        "file_path": stored.path,
    }


@method("getUserProfilePhotos", user_id="int", offset="int?", limit="int?")
async def get_user_profile_photos(api: Api, user_id: int, **_: Any) -> Any:
    if user_id not in api.world.people:
        raise bad_request("user not found")
    return {"total_count": 0, "photos": []}
