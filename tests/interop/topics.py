"""KServe's SDK as Lift Wing used it for the outlink model in 2022: a transformer, or a predictor, of its own.

Runs in the environment of `requirements.txt` beside it. What goes from one to the other, and what the client gets, is as
in Lift Wing's transformer and predictor.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import fasttext
from kserve import Model, ModelServer, model_server
from kserve.errors import InvalidInput


class Transformer(Model):
    """Its links are those of the plugin's demo; `predict` is KServe's own, which asks the predictor."""

    def __init__(self, name, articles):
        super().__init__(name)
        self.items = {
            (article["lang"], article["page_title"]): sorted({item for _, item in article["links"] if item})
            for article in json.loads(Path(articles).read_text(encoding="utf-8"))
        }
        self.ready = True

    def preprocess(self, inputs, headers=None):
        page = inputs["lang"], inputs["page_title"]
        if page not in self.items:
            raise InvalidInput("no matching article")
        threshold = 0.0 if inputs.get("debug") else inputs.get("threshold", 0.5)
        features = {"features_str": inputs.get("features_str", " ".join(self.items[page]))}
        told = {"page_title": page[1], "lang": page[0], "threshold": threshold, "debug": False}
        return features | told

    def postprocess(self, outputs, headers=None):
        results = [{"topic": topic, "score": score} for topic, score in outputs["topics"]]
        article = f"https://{outputs['lang']}.wikipedia.org/wiki/{outputs['page_title']}"
        return {"prediction": {"article": article, "results": results}}


class Predictor(Model):
    """Knows of a question only what Lift Wing's did."""

    def __init__(self, name, weights):
        super().__init__(name)
        self.weights = fasttext.load_model(weights)
        self.ready = True

    def predict(self, payload, headers=None):
        if payload["features_str"] == "refuse":
            raise InvalidInput("bad features_str")
        if payload["features_str"] == "fail":
            raise RuntimeError("boom at http://10.0.0.1:8080")
        print("ASKED", json.dumps({"payload": payload, "headers": dict(headers)}), flush=True)
        labels, scores = self.weights.predict(payload["features_str"], k=-1)
        told = sorted(zip(labels, scores, strict=True), key=lambda topic: (-topic[1], topic[0]))
        topics = [
            [label.removeprefix("__label__"), min(score, 1.0)]
            for label, score in told
            if score >= payload["threshold"]
        ]
        return {"topics": topics, "lang": payload["lang"], "page_title": payload["page_title"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--articles")
    parser.add_argument("--weights")
    options = parser.parse_args()
    name = options.model_name
    model = Transformer(name, options.articles) if options.articles else Predictor(name, options.weights)
    ModelServer(enable_grpc=False).start([model])
    sys.exit(0)
