from config.foundation.processes.dependent_command import DependentCommand
from recommendations.serving.kernel_compilation import compile_kernels


class Command(DependentCommand):
    help = "Compile the kernels of profiles, training, recommendations and search into the cache, so that a new installation does not wait for them."
    requires_system_checks: list[str] = []

    def work(self) -> None:
        compile_kernels()
