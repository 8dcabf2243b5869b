"""Makes the model file beside it, with the versions of Lift Wing's image: Python 3.10, and

    pip install "setuptools<82" revscoring==2.11.13 scikit-learn==1.0.2 numpy==1.24.4 scipy==1.10.0

It prints the score that the model gives there; `test_model_files.py` compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from revscoring.features import revision_oriented, wikitext
from revscoring.scoring.models import GradientBoosting

model = GradientBoosting(
    [wikitext.revision.chars, revision_oriented.revision.user.is_anon],
    labels=[True, False],
    version="0.5.1",
    n_estimators=4,
    max_depth=2,
    scale=True,
    center=True,
    random_state=0,
    population_rates={True: 0.1, False: 0.9},
)
model.train([([n * 10, n % 2 == 0], n % 7 > 2) for n in range(40)])
with Path(__file__).with_name("sklearn-1.0.2.bin").open("wb") as file:
    model.dump(file)
print(json.dumps(model.score([150, True])))
