"""Answers of exported folders by their own libraries, in a process that never sees transferbound.

    python outside.py JOBS.json

A job has ``target``, ``folder``, ``rows`` (texts, pairs of texts, or paths of pictures), ``labels`` and, for peft, its
``base``. Prints a line of JSON for each: ``errors``, the rows whose label is not the answer, and ``names``, the classes
by their numbers as the library knows them; or ``failed``.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path

warnings.simplefilter("ignore")


def with_timm(folder, rows, job):
    import timm
    import torch
    from PIL import Image

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    with torch.inference_mode():
        logits = [model(transform(Image.open(path).convert("RGB"))[None])[0] for path in rows]
    return [int(row.argmax()) for row in logits], list(model.pretrained_cfg["label_names"])


def with_transformers(folder, rows, job):
    from transformers import AutoImageProcessor, pipeline

    if job["pictures"]:
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        classify = pipeline("image-classification", folder, image_processor=processor)
        found = [classify(path, top_k=1)[0]["label"] for path in rows]
    else:
        classify = pipeline("text-classification", folder, truncation=True)
        answers = [
            classify(row if isinstance(row, str) else {"text": row[0], "text_pair": row[1]}) for row in rows
        ]
        found = [(one[0] if isinstance(one, list) else one)["label"] for one in answers]
    config = classify.model.config
    return [config.label2id[name] for name in found], list(config.id2label.values())


def with_sentence_transformers(folder, rows, job):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    logits = model.encode(rows, batch_size=1, show_progress_bar=False)
    names = list(model[0].auto_model.config.id2label.values())
    return [int(row.argmax()) for row in logits], names


def with_peft(folder, rows, job):
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    config = AutoConfig.from_pretrained(folder)
    base = AutoModelForSequenceClassification.from_pretrained(job["base"], config=config)
    model = PeftModel.from_pretrained(base, folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        found = [model(**tokenizer(row, truncation=True, return_tensors="pt")).logits for row in rows]
    return [int(row.argmax()) for row in found], list(config.id2label.values())


def with_onnx(folder, rows, job):
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
    said = json.loads(Path(folder, "preprocess.json").read_text(encoding="utf-8"))
    if job["pictures"]:
        inputs = [{"pixel_values": prepared(path, said["image"])} for path in rows]
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        inputs = []
        for row in rows:
            parts = [row] if isinstance(row, str) else row
            made = tokenizer(*parts, truncation=True, return_tensors="np")
            inputs.append({name: made[name].astype(np.int64) for name in said["inputs"]})
    found = [int(session.run([said["output"]], one)[0][0].argmax()) for one in inputs]
    return found, said["labels"]


def prepared(path, said):
    """As docs/export.md says."""
    import numpy as np
    from PIL import Image

    image = Image.open(path).convert(said["mode"])
    for step in said["steps"]:
        if step["op"] == "resize":
            resample = Image.Resampling[step["interpolation"].upper()]
            image = image.resize((step["width"], step["height"]), resample)
        elif step["op"] == "resize_shortest_edge":
            resample, size, short = (
                Image.Resampling[step["interpolation"].upper()],
                step["size"],
                min(image.size),
            )
            image = image.resize([int(size * side / short) for side in image.size], resample)
        elif step["op"] == "center_crop":
            left, top = (round((side - step["size"]) / 2) for side in image.size)
            image = image.crop((left, top, left + step["size"], top + step["size"]))
        else:
            raise ValueError(step)
    pixels = np.asarray(image, dtype=np.float32).reshape(*image.size[::-1], -1)
    mean, std = (np.array(said[key], dtype=np.float32) for key in ("mean", "std"))
    return ((pixels * np.float32(said["scale"]) - mean) / std).transpose(2, 0, 1)[None]


ANSWERS = {
    "timm": with_timm,
    "transformers": with_transformers,
    "sentence-transformers": with_sentence_transformers,
    "peft": with_peft,
    "onnx": with_onnx,
}


def counted(job):
    answers, names = ANSWERS[job["target"]](job["folder"], job["rows"], job)
    wrong = sum(found != label for found, label in zip(answers, job["labels"], strict=True))
    return {"errors": wrong, "names": names, "rows": len(answers)}


for one in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    try:
        print(json.dumps(counted(one)))
    except Exception:
        print(json.dumps({"failed": traceback.format_exc()[-3000:]}))
assert "transferbound" not in sys.modules
