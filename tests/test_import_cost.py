"""The cost of spacy_jre for pipelines that do not use it."""

import json
import subprocess
import sys

from .conftest import ROOT

# spaCy loads these entry points when it creates a pipeline
SCRIPT = """
import json, sys, time
from importlib.metadata import distribution

start = time.process_time()
import spacy
spacy_loaded = time.process_time()
for entry in distribution("spacy-jre").entry_points:
    if entry.group == "spacy_factories":
        entry.load()
end = time.process_time()
print(json.dumps({
    "spacy": spacy_loaded - start,
    "spacy_jre": end - spacy_loaded,
    "modules": sorted(sys.modules),
}))
"""


def test_pipeline_without_the_component_imports_no_networks():
    command = [sys.executable, "-c", SCRIPT]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(run.stdout)
    ratio = result["spacy_jre"] / result["spacy"]
    # shown with the option -s
    print(f"{ratio:.2f} of the CPU time of `import spacy`")  # noqa: T201
    prefixes = ("transformers", "spacy_transformers", "spacy_jre.networks")
    prefixes += ("spacy_jre.layers", "spacy_jre.architectures", "spacy_jre.training")
    assert "spacy_jre.pipeline.factory" in result["modules"]
    assert not [name for name in result["modules"] if name.startswith(prefixes)]
    # 0.01 of 1.4 CPU seconds on two cores; with all modules of spacy_jre it was 0.5
    assert ratio < 0.3
