"""Models as a service: HTTP on top of one core (`core.Service`), which knows nothing of HTTP.

    POST /v1/predict   crystals in, a row per crystal out, as `cryskit predict --json` prints them
    POST /v1/explain   contributions of atoms and element features, as `cryskit explain --out FILE.json` writes them
    POST /v1/embed     a vector per crystal
    POST /v1/describe  descriptions in words
    POST /v1/search    crystals of a set that are nearest to a given one, or fit words
    GET  /v1/models, /v1/models/{name}     what is published: versions, properties with units, the card
    GET  /v1/data, /v1/limits              bundled sets of crystals; what a request may hold
    GET  /v1/jobs/{id}, .../result, .../events, DELETE /v1/jobs/{id}     work that takes long (202)
    GET  /healthz, /readyz, /metrics, /openapi.json

A POST takes JSON (`schemas`), or multipart with files and the same options as fields. An error is a problem of RFC 9457
(`problems`). Work that is not done in time, or that `Prefer: respond-async` asks for, is answered with 202 and the address of a job.
"""
