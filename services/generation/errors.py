"""What can go wrong in generation."""

from libs.common.errors import Conflict, Invalid, NotFound, TooMany


class JobNotFound(NotFound):
    """There is no such job, or it is another person's."""

    code, title = "job-not-found", "There is no such job"


class JobFinished(Conflict):
    """The job has ended: there is nothing left to cancel."""

    code, title = "job-finished", "The job has ended already"


class JobNotRetryable(Conflict):
    """The job still goes on, or has its images."""

    code, title = "job-not-retryable", "Only a failed, cancelled or declined job can be tried again"


class TooManyJobs(TooMany):
    """The person has as many open jobs as may wait at a time."""

    code, title = (
        "too-many-jobs",
        "Too many of your jobs are open: wait until some have ended, or cancel some",
    )


class TooManyWatchers(TooMany):
    """The person follows as many jobs as may be followed at a time."""

    code, title = "too-many-watchers", "Too many live streams are open: close some before you open another"


class KeyReused(Invalid):
    """An Idempotency-Key came with a request that differs from the one it was first sent with."""

    code, title = (
        "idempotency-key-reused",
        "This Idempotency-Key was used for another request: use a fresh one",
    )


class KeyTaken(Exception):
    """There is a job with this Idempotency-Key already."""


class JobStopped(Exception):
    """The job that is being rendered was cancelled, or is gone."""
