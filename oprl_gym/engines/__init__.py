"""Tasks done side by side, in processes of this machine or on a Ray cluster.

An engine is given calls that write their own results to files, and tells a
:class:`Watcher` how they go. It keeps nothing: what is finished is told by those files
alone, so whatever dies, the same call again does the rest.
"""

from oprl_gym.engines.local import LocalEngine
from oprl_gym.engines.tasks import Engine, Outcome, Task, Watcher
from oprl_gym.extras import how_to_install

__all__ = ["Engine", "LocalEngine", "Outcome", "Task", "Watcher", "make_engine"]


def make_engine(
    name: str,
    jobs: int | None,
    address: str | None = None,
    retries: int = 0,
    preload: tuple[str, ...] = (),
    paths: tuple[str, ...] = (),
) -> Engine:
    """Return an engine by its name.

    Args:
        name: "local" or "ray".
        jobs: Tasks at a time; None: as many as there are processors.
        address: Of a Ray cluster; None starts Ray on this machine.
        retries: How often a task is called again after its process has died.
        preload: Modules that every task needs, imported once where that helps.
        paths: Folders that tasks import from, beside the installed packages.

    Raises:
        RunError: There is no such engine, Ray is not installed, or ``address`` was
            given to an engine that has none.

    Example:
        >>> from oprl_gym.engines import make_engine
        >>> make_engine("local", jobs=2).jobs
        2
    """
    from oprl_gym.runs.folder import RunError

    if jobs is not None and jobs < 1:
        raise RunError(f"--jobs must be at least 1, got {jobs}")
    if name == "local":
        if address is not None:
            raise RunError(f"--address {address} needs --engine ray")
        return LocalEngine(jobs, retries, preload, paths)
    if name != "ray":
        raise RunError(f"--engine must be local or ray, got {name!r}")
    try:
        from oprl_gym.engines.ray_tune import RayEngine
    except ImportError as error:
        raise RunError(
            f"--engine ray needs Ray ({error}); run: {how_to_install('ray')}"
        ) from error
    return RayEngine(address, jobs, retries, paths)
