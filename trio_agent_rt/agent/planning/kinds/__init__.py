"""How each type of step is run."""

from .job import Job, Site, shown_inside, skip_inside
from .jobs import job_for

__all__ = ["Job", "Site", "job_for", "shown_inside", "skip_inside"]
