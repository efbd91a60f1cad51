# The server: `napari-sa2va serve` with CUDA, as a user without rights. See docs/server.md.
#
#   docker build -t napari-sa2va .
#   docker run --gpus all -p 8765:8765 -v sa2va-models:/models napari-sa2va
#
# PyTorch's wheels bring CUDA's libraries; this base lets the container see the driver.
FROM nvidia/cuda:12.8.1-base-ubuntu24.04

# Ubuntu removes versions that it replaced: a pin would not build next month.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 sa2va \
    && install --directory --owner sa2va /models \
    && python3 -m venv /opt/sa2va

ENV PATH=/opt/sa2va/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/models \
    NAPARI_SA2VA_CONFIG=/models/settings

COPY . /source
RUN pip install --no-cache-dir --constraint /source/constraints.txt "/source[quantize]"

USER 10001
WORKDIR /home/sa2va
# Checkpoints that are downloaded, and the record of them.
VOLUME /models
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "/source/deploy/health.py"]
ENTRYPOINT ["napari-sa2va"]
CMD ["serve", "--host", "0.0.0.0"]
