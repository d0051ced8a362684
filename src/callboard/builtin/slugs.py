"""The processor that annotates entities with the slug of their repository: `github.com/project-slug` and others."""

from collections.abc import Collection, Sequence

from callboard.extend import CodeHost, JsonObject, Processor, Run


class AnnotateScmSlugProcessor(Processor):
    """Adds the annotation that the code host has for slugs. One that is there already stays."""

    name = "AnnotateScmSlugEntityProcessor"

    def __init__(self, hosts: Sequence[CodeHost], kinds: Collection[str] | None = None) -> None:
        """*kinds* are those that are annotated; None: all of them."""
        self._hosts = hosts
        self._kinds = None if kinds is None else {kind.lower() for kind in kinds}
        if kinds is not None:
            self.version = f"1 {','.join(sorted(self._kinds or ()))}"

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Put in the annotation, for an entity that was read from a repository."""
        metadata = entity.get("metadata")
        if run.location.type != "url" or not isinstance(metadata, dict):
            return entity
        if self._kinds is not None and run.ref.kind not in self._kinds:
            return entity
        host = next((host for host in self._hosts if host.covers(run.location.target)), None)
        repository = None if host is None else host.repository(run.location.target)
        own = metadata.get("annotations") or {}
        if repository is None or repository.slug is None or repository.annotation is None or not isinstance(own, dict):
            return entity
        metadata["annotations"] = {**own, repository.annotation: own.get(repository.annotation, repository.slug)}
        return entity
