"""How each type of step is run."""

from .job import Job, Site, skip_inside
from .jobs import job_for

__all__ = ["Job", "Site", "job_for", "skip_inside"]
