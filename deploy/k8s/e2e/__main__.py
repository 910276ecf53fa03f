"""`make k8s-e2e`: put the platform on the cluster of KUBECONFIG, use it while its pods come and go, take it away.

The images have to be there already (`make images`, or the node's own). Exit 0 only if every step held; figures at the
end. KEEP=1 leaves the platform on the cluster.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from demo.story import require
from demo.timeline import Timeline
from deploy.k8s import installation
from deploy.k8s.cluster import ClusterError, Json, Running, found, kubectl, wait
from deploy.k8s.e2e import pods
from deploy.k8s.render import NotRendered

PLAYER = "deployment/player"
ACT_S = 900.0
ROLLED_S = 300
DRAINED_S = 60.0
RENDERER = "deployment/generation-renderer"
VICTIM = "app.kubernetes.io/name=gallery,app.kubernetes.io/component=worker"
DRAWING = "app.kubernetes.io/component=renderer"
STARTED = "app.kubernetes.io/component in (api,worker)"
ROLLED = "app.kubernetes.io/component in (api,worker,renderer,gateway)"


class Trial:
    """Everything that is tried, in order. Its figures are told at the end."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._figures: list[tuple[str, str]] = []

    def run(self) -> None:
        """Try all. Raises: AssertionError, ClusterError: something did not hold."""
        for act in (self.arrive, self.play, self.lose_a_worker, self.restart, self.roll, self.scale):
            act()

    def arrive(self) -> None:
        """From nothing to ready."""
        self.timeline.act("The platform comes up on the cluster")
        with self._step("topics, indexes, then every Deployment is available", "apply to all available, s"):
            installation.up("e2e")

    def play(self) -> None:
        """The demo through the gateway of the cluster."""
        self.timeline.act("The story of the demo, through the gateway")
        with self._step("from signing up to a proven erasure", "whole story, s"):
            self._take(self._begin("story"), "story")

    def lose_a_worker(self) -> None:
        """A pod goes while a case is open."""
        self.timeline.act("A worker's pod is deleted in the middle of an erasure")
        with self._step("the case is VERIFIED all the same, and nothing is left", "with it, s"):
            playing = self._begin("erasure")
            playing.until("ready")
            kubectl("delete", "pod", "--selector", VICTIM, "--grace-period=0", "--force", "--wait=false")
            self._take(playing, "erasure")

    def restart(self) -> None:
        """Every Deployment of a service starts anew, and there is time for it."""
        self.timeline.act("Every Deployment of a service is rolled while nobody asks for anything")
        self._start(found("deployment", STARTED), "at rest")

    def roll(self) -> None:
        """Every Deployment is rolled under load."""
        self.timeline.act("Every Deployment is rolled while people use the platform")
        with self._step("people have accounts, and use the platform from now on"):
            acting = self._begin("load")
            acting.until("ready")
        deployments = found("deployment", ROLLED)
        self._start(deployments, "under load")
        self._figure("Deployments rolled", len(deployments))
        with self._step("no request failed, and no event is lost"):
            acting.close_input()
            figures = self._take(acting, "load")
            for what in ("failed requests", "lost", "dead letters"):
                require(figures[what] == 0, f"{what}: {figures[what]:.0f}")

    def scale(self) -> None:
        """Nobody draws, then three, then nobody in the middle of it, then one."""
        self.timeline.act("Who draws is scaled, from none to three and back")
        self._scale(0)
        with self._step("jobs wait for somebody, and three of them draw all", "with three renderers, s"):
            waiting = self._begin("jobs")
            waiting.until("ready")
            self._scale(3)
            self._take(waiting, "jobs, none to three renderers")
        with self._step("all three end in the middle of jobs, within their grace", "drained, s"):
            interrupted = self._begin("jobs")
            interrupted.until("ready")
            self._scale(0)
        with self._step("jobs are open that nobody draws now"):
            require(
                self._take(self._begin("open"), "drained")["open jobs"] > 0, "there was nothing to hand back"
            )
        with self._step("another draws what they handed back, each image once"):
            self._scale(1)
            self._take(interrupted, "jobs, handed back by three to one")
        self._scale(0)
        with self._step("and no event is lost"):
            figures = self._take(self._begin("arrived"), "in all")
            require(figures["lost"] == 0, f"{figures['lost']:.0f} events are lost")

    def leave(self) -> None:
        """Nothing of it is left on the cluster."""
        self.timeline.act("The platform is taken away")
        with self._step("its namespace is gone, and with it all that it had", "taken away, s"):
            installation.down()

    def tell(self) -> None:
        """Print the figures."""
        self.timeline.table("Figures", ["", ""], [list(row) for row in self._figures])

    def _start(self, deployments: Sequence[Json], when: str) -> None:
        starts = [start for each in deployments for start in self._rolled(each)]
        self._figure(f"container start to ready {when}, median, s", median(starts))
        self._figure(f"container start to ready {when}, slowest, s", max(starts))

    def _rolled(self, deployment: Json) -> list[float]:
        """Roll a Deployment; return how long its new pods took to be ready."""
        name = deployment["metadata"]["name"]
        with self._step(f"{name} is rolled"):
            kubectl("rollout", "restart", f"deployment/{name}")
            timing = f"--timeout={ROLLED_S}s"
            kubectl("rollout", "status", f"deployment/{name}", timing, within_s=ROLLED_S + 30)
        return pods.start_times(deployment["spec"]["selector"]["matchLabels"])

    def _begin(self, act: str) -> Running:
        return Running(PLAYER, ("python", "-m", "deploy.k8s.e2e.player", act), ACT_S)

    def _take(self, playing: Running, act: str) -> dict[str, float]:
        """Return what an act came to, once it is over."""
        figures: dict[str, float] = json.loads(playing.until("figures"))
        playing.ended()
        for what, value in figures.items():
            self._figure(f"{act}: {what}", value)
        return figures

    def _scale(self, replicas: int) -> None:
        kubectl("scale", RENDERER, f"--replicas={replicas}")
        if replicas:
            wait("deployment", "condition=Available", "app.kubernetes.io/component=renderer", ROLLED_S)
        else:
            pods.gone(DRAWING, DRAINED_S)

    @contextmanager
    def _step(self, what: str, figure: str | None = None) -> Iterator[None]:
        began = time.monotonic()
        with self.timeline.step(what):
            yield
        if figure:
            self._figure(figure, time.monotonic() - began)

    def _figure(self, what: str, value: float) -> None:
        self._figures.append((what, f"{value:,.1f}".removesuffix(".0")))


def main() -> int:
    """Try; return the exit code."""
    trial = Trial(Timeline())
    held = _held(trial, trial.run)
    if not held:
        print(pods.report())
    if os.environ.get("KEEP") != "1":
        held &= _held(trial, trial.leave)
    trial.tell()
    if held:
        trial.timeline.held()
    return 0 if held else 1


def _held(trial: Trial, act: Callable[[], None]) -> bool:
    try:
        act()
    except (AssertionError, ClusterError, NotRendered) as error:
        trial.timeline.failed(str(error))
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
