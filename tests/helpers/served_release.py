"""The chart installed beside an organisation's own Postgres and S3 server."""

from pathlib import Path

from kube import Object
from node_servers import Bucket, Postgres
from node_world import World
from release import Release


class ServedRelease(Release):
    """A release whose runs go to Postgres and a bucket, and whose snapshot goes to the bucket."""

    def __init__(self, world: World, folder: Path, database: Postgres, bucket: Bucket) -> None:
        super().__init__(world, folder, "lab")
        self.database, self.bucket = database, bucket

    def give_what_it_needs(self, rooms: Path) -> None:
        """Make what is there before a release: torch, data, places for volumes, two Secrets."""
        self.world.volume("torch", path=self.world.node.host_folders)
        self.world.volume("data", path=rooms)
        for name in ("artifacts", "warehouse"):
            self.world.volume(f"{self.full}-{name}", claimed=False)
        self.tell_secret("database", {"uri": self.database.uri("mlflow")})
        self.tell_secret("bucket", self.bucket.login)

    @property
    def environment(self) -> dict[str, str]:
        """What programs beside the cluster are told: how S3 is reached, too."""
        return {**super().environment, **self.bucket.variables}

    @property
    def snapshot(self) -> str:
        """Where the loader publishes what readers open."""
        return f"s3://{self.bucket.name}/snapshot"

    def values(self) -> Object:
        """Return what this cluster needs said, the servers among it."""
        said = super().values()
        quick = {"OMP_NUM_THREADS": "1", "TASKONOMY_PROGRESS_SECONDS": "1"}
        little = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}}
        s3 = {"s3Endpoint": self.bucket.endpoint, "existingSecret": "bucket"}
        return said | {
            "data": {"source": "existingClaim", "existingClaim": "data"},
            "artifacts": {"source": "newClaim", "size": "1Gi", "keep": True},
            "operator": {"resources": little, "keepFinished": 600},
            "jobs": said["jobs"] | {"env": quick, "pack": 8, "graceSeconds": 10},
            "warehouse": {
                "persistence": {"size": "1Gi", "keep": False},
                "snapshot": {"uri": self.snapshot, **s3},
                "suspend": True,
                "resources": little,
            },
            "mlflow": said["mlflow"]
            | {
                "backend": {"store": "postgres", "existingSecret": "database"},
                "artifacts": {"store": "s3", "s3Uri": f"s3://{self.bucket.name}/runs", **s3},
                "workers": 1,
                "resources": little,
            },
            "test": {"cpu": "100m"},
        }
