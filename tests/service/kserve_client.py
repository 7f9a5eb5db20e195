"""KServe's own client against a service of the toy problem; prints what it received as JSON.

`python kserve_client.py URL`, in an environment with kserve, which the repository does not install.
"""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

MODEL = "label"
COLUMNS = {
    "size": ("FP64", np.array([1.5, 80.0])),
    "count": ("INT64", np.array([2, 3])),
    "kind": ("BYTES", np.array(["a", "b"], dtype=object)),
    "name": ("BYTES", np.array(["XY", "PQ"], dtype=object)),
    "weight": ("FP32", np.array([np.nan, 0.5], dtype="float32")),
}


def request(columns: dict) -> InferRequest:
    inputs = []
    for name, (datatype, values) in columns.items():
        tensor = InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=False)
        inputs.append(tensor)
    return InferRequest(model_name=MODEL, infer_inputs=inputs, request_id="42")


async def refusal(client: InferenceRESTClient, url: str, columns: dict) -> str:
    try:
        await client.infer(url, request(columns), model_name=MODEL)
    except httpx.HTTPStatusError as error:
        return str(error)
    return "accepted"


async def main(url: str) -> dict:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    response = await client.infer(url, request(COLUMNS), model_name=MODEL)
    (output,) = response.outputs
    return {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, MODEL),
        "id": response.id,
        "predictions": output.as_numpy().tolist(),
        "refusal": await refusal(client, url, COLUMNS | {"count": ("INT64", np.array([2, 99]))}),
    }


print(json.dumps(asyncio.run(main(sys.argv[1]))))
