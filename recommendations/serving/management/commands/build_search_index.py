from config.foundation.processes.dependent_command import DependentCommand
from recommendations.serving.search.searcher import Searcher


class Command(DependentCommand):
    help = "Build the search index, or merge changes into it, and save it for the web processes, which open it within a second."

    def work(self) -> None:
        texts = Searcher(background=False).build_index()
        if texts is None:
            self.stdout.write("Another process is building the search index.")
        else:
            self.stdout.write(f"The search index has {len(texts)} products.")
