"""The layers of exact networks, with Keras's names and defaults: what ``trainr(exact=True, layers=[…])`` takes.

A new layer is a file in ``exact/layers``, a new recurrent one a file in ``exact/cells``, and one line in ``LAYERS``.
"""

from __future__ import annotations

from pytrainr.exact.cells.echo_state import EchoState
from pytrainr.exact.cells.elman import SimpleRNN
from pytrainr.exact.cells.gru import GRU
from pytrainr.exact.cells.jordan import Jordan
from pytrainr.exact.cells.lstm import LSTM
from pytrainr.exact.cells.ntm import NTM
from pytrainr.exact.layers.activation import Activation
from pytrainr.exact.layers.adaptive_computation import AdaptiveComputation
from pytrainr.exact.layers.attention import Attention
from pytrainr.exact.layers.attention_pooling import AttentionPooling
from pytrainr.exact.layers.bidirectional import Bidirectional
from pytrainr.exact.layers.conv1d import Conv1D
from pytrainr.exact.layers.decoder import Decoder
from pytrainr.exact.layers.dense import Dense
from pytrainr.exact.layers.dropout import Dropout, SpatialDropout1D
from pytrainr.exact.layers.embedding import Embedding
from pytrainr.exact.layers.flatten import Flatten
from pytrainr.exact.layers.last_steps import LastSteps
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.layers.layer_normalization import LayerNormalization
from pytrainr.exact.layers.multi_head_attention import MultiHeadAttention
from pytrainr.exact.layers.pooling import (
    AveragePooling1D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling1D,
)
from pytrainr.exact.layers.position_embedding import PositionEmbedding
from pytrainr.exact.layers.positional_encoding import PositionalEncoding
from pytrainr.exact.layers.pyramid import Pyramid
from pytrainr.exact.layers.repeat_vector import RepeatVector
from pytrainr.exact.layers.residual import Residual
from pytrainr.exact.layers.sequential import Sequential
from pytrainr.exact.layers.tcn import TCN
from pytrainr.exact.layers.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LAYERS",
    "LSTM",
    "NTM",
    "TCN",
    "Activation",
    "AdaptiveComputation",
    "Attention",
    "AttentionPooling",
    "AveragePooling1D",
    "Bidirectional",
    "Conv1D",
    "Decoder",
    "Dense",
    "Dropout",
    "EchoState",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Jordan",
    "LastSteps",
    "LayerNormalization",
    "MaxPooling1D",
    "MultiHeadAttention",
    "PositionEmbedding",
    "PositionalEncoding",
    "Pyramid",
    "RepeatVector",
    "Residual",
    "Sequential",
    "SimpleRNN",
    "SpatialDropout1D",
    "TimeDistributed",
]

LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        *(SimpleRNN, Jordan, GRU, LSTM, NTM, EchoState, Decoder),
        *(Embedding, Dense, Activation, Dropout, SpatialDropout1D, LayerNormalization),
        *(Conv1D, MaxPooling1D, AveragePooling1D, GlobalMaxPooling1D, GlobalAveragePooling1D),
        *(LastSteps, Pyramid, Flatten, RepeatVector),
        *(Bidirectional, TimeDistributed, Residual, Sequential, AdaptiveComputation),
        *(Attention, MultiHeadAttention, AttentionPooling, PositionalEncoding, PositionEmbedding),
    )
}
"""Every layer that a list may hold, by the name of its class."""
