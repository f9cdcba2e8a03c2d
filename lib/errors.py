"""What can go wrong, in the user's words.

Every error that Petalscope raises on purpose derives from `PetalscopeError`; its text is one sentence that says
what is wrong and what to do about it. Commands print it and exit 1, pages show it in a box; neither shows a
traceback for it.

PetalscopeError
├── DataError            a data folder that cannot be used
│   └── ImageError       one picture that cannot be read
├── DownloadError        a transfer that failed (`OfflineError`: no network; `ChecksumError`: wrong bytes arrived)
├── WeightsError         backbone weights that are missing or do not fit
├── ArtifactError        a result that is missing, stale, or cannot be written
├── TrainingError        a training run that cannot start or go on
├── QueryError           a question that cannot be answered (unknown id, wrong dimension, NaN)
├── AccessError          a list of visitors in `secrets.toml` that cannot be used
└── StoreError           a Milvus store that cannot be used (`StoreLockedError`: another process owns it)
"""


class PetalscopeError(Exception):
    """Base of every error raised on purpose; the text is one sentence and names the remedy."""


class DataError(PetalscopeError):
    """A data folder cannot be used."""


class ImageError(DataError):
    """One picture cannot be read; the text is the reason, without the picture's name."""


class DownloadError(PetalscopeError):
    """A transfer failed; nothing of it was kept."""


class OfflineError(DownloadError):
    """No network, or downloads are switched off."""


class ChecksumError(DownloadError):
    """The bytes that arrived are not the published ones."""


class WeightsError(PetalscopeError):
    """Backbone weights are missing or do not fit the network."""


class ArtifactError(PetalscopeError):
    """A result is missing, stale, or cannot be written."""


class TrainingError(PetalscopeError):
    """A training run cannot start or go on; what it had finished is kept."""


class QueryError(PetalscopeError):
    """A question cannot be answered as asked."""


class AccessError(PetalscopeError):
    """The list of who may see the app cannot be used, so nobody may."""


class StoreError(PetalscopeError):
    """A Milvus database, collection or server cannot be used."""


class StoreLockedError(StoreError):
    """Another process owns the Milvus Lite store."""
