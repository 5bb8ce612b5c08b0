"""Which text architectures transformers has, how each is made small, and why some are not built.

Names are transformers' model types. A model type that stands in none of these tables is built from the sizes that
``tiny_architectures`` gives to a configuration's numbers by their names.
"""

from __future__ import annotations

from typing import Any

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)


def _words(text: str) -> list[str]:
    return text.split()


ENCODER_DECODERS = _words(
    """
    bart bigbird_pegasus blenderbot blenderbot-small dia fastspeech2_conformer florence2 fsmt led longt5
    m2m_100 marian mbart mt5 musicgen musicgen_melody mvp nllb-moe pegasus pegasus_x plbart prophetnet
    seamless_m4t seamless_m4t_v2 switch_transformers t5 t5gemma t5gemma2 udop umt5
    """
)
"""A prior has to be one of the two; refused by name."""

NAMES_NO_HIDDEN_SIZE = _words(
    """
    aimv2 align altclip apertus1p5 aria audioflamingo3 aya_vision blip blt chinese_clip clipseg clvp
    cohere2_vision cohere_compass cosmos3_edge cosmos3_omni deepseek_ocr2 deepseek_vl deepseek_vl_hybrid
    diffusion_gemma dots3_note embedding_gemma2 emu3 ernie4_5_vl_moe exaone4_5 fast_vlm
    fastspeech2_conformer_with_hifigan fun_asr_nano fuyu gemma3n gemma4 gemma4_unified glm46v glm4v
    glm4v_moe glm5_next glm_image glm_ocr glmasr glmga got_ocr2 granite4_vision granite_docling
    granite_speech granite_speech_plus groupvit hunyuan_vl hy_v4_vl hyperclovax_vision_v2 idefics2 idefics3
    inkling2 inkling2_loop inkling_mm_model internvl janus kimi_k25 kosmos-2.5 lfm2_vl lfm3_vl lighton_ocr
    llama4 llava llava_next llava_next_video llava_onevision minicpm_ocr minicpmv4_6 minicpmv4_7
    minimax_m3_vl mistral3 mistral_large4 mllama molmo2 moss_transcribe_diarize muse_glimmer muse_spark
    musicflamingo nemo_speechlm omniasr owlv2 owlvit paddleocr_vl pe_audio pe_audio_video pe_video
    perception_lm qianfan_ocr qwen2_5_omni_thinker qwen2_5_vl qwen2_audio qwen2_vl qwen3_5_moe qwen3_asr
    qwen3_omni_moe_thinker qwen3_vl qwen3_vl_moe qwen4_exp smolvlm step3p7 t5gemma2_encoder tipsv2
    unlimited_ocr vibevoice vibevoice_asr video_llama_3 video_llava vipllava vision-text-dual-encoder xclip
    """
)
"""Pictures, sound and text in one: the configuration names no hidden size at its top; refused by name."""

READS_NO_TEXT = _words(
    """
    aimv2_vision_model audio-spectrogram-transformer audioflamingo3_encoder autoformer bark blip-2
    blip_2_qformer canary chinese_clip_vision_model clip_vision_model cohere_asr cohere_compass_vision
    conditional_detr cosmos3_edge_vision d_fine dab-detr dac data2vec-audio decision_transformer
    deformable_detr deimv2 depth_pro detr dinov3_convnext dinov3_vit dpt edgetam edgetam_video
    edgetam_vision_model efficientloftr encodec exaone4_5_vision fun_asr_nano_encoder gemma3n_audio
    gemma3n_vision gemma4_audio gemma4_vision glm4v_moe_vision glm4v_vision glm5_next_vision
    glm_image_vision glm_image_vqmodel glm_ocr_vision glmasr_encoder glpn granite_docling_vision
    granite_speech5_ctc granite_speech5_encoder grounding-dino hubert hunyuan_vl_vision hy_v4_vl_vision
    idefics3_vision informer inkling2_vision instructblip instructblipvideo internvl_vision kimi_k25_vision
    kosmos-2 lasr_ctc lasr_encoder lfm3_vl_vision lightglue lw_detr mask2former maskformer maskformer-swin
    mgp-str mimi mimi_decoder mimi_encoder minicpm_ocr_vision minicpmv4_7_vision mlcd mlcd_vision_model
    mm-grounding-dino moonshine moonshine_streaming moss_transcribe_diarize_audio muse_glimmer_assistant
    muse_glimmer_vision muse_spark_audio muse_spark_vision nemotron3_5_asr nemotron3_5_transcribe_asr_audio
    nemotron3_5_transcribe_audio nemotron3_5_transcribe_word_timestamp nemotron3_diarization
    nemotron3_diarization_audio nemotron_asr_streaming nemotron_asr_streaming_encoder neucodec omdet-turbo
    omniasr_audio omniasr_ctc oneformer parakeet_ctc parakeet_encoder parakeet_rnnt parakeet_tdt
    patchtsmixer patchtst pe_audio_encoder pe_audio_video_encoder pe_video_encoder pi0 pixio pixtral
    pocket_tts_audio_tokenizer pocket_tts_audio_tokenizer_decoder pocket_tts_audio_tokenizer_encoder
    pp_doclayout_v3 pp_doclayout_v4 pp_ocrv5_mobile_rec pp_ocrv5_server_rec pp_ocrv6_medium_det
    pp_ocrv6_small_det pp_ocrv6_small_rec pp_ocrv6_tiny_rec qianfan_ocr_vision qwen2_5_vl_vision
    qwen2_audio_encoder qwen3_5_moe_vision qwen3_5_vision qwen3_asr_encoder qwen3_vl_moe_vision
    qwen3_vl_vision qwen4_exp_vision radio rf_detr rt_detr rt_detr_v2 sam sam2 sam2_hiera_det_model
    sam2_video sam2_vision_model sam3 sam3_lite_text sam3_lite_text_text_model sam3_tracker
    sam3_tracker_video sam3_video sam3_vision_model sam3_vit_model sam_hq sam_hq_vision_model
    sam_vision_model sapiens2 seggpt sew sew-d siglip2_vision_model siglip_vision_model smolvlm_vision
    speech_to_text speecht5 swin2sr table-transformer time_series_transformer timesfm timesfm2_5 timesformer
    timm_backbone tipsv2_vision_model unispeech unispeech-sat univnet uvdoc vibevoice_acoustic_tokenizer
    vibevoice_acoustic_tokenizer_decoder vibevoice_acoustic_tokenizer_encoder video_llama_3_vision videomae
    videoprism videoprism_vision_model vit_mae vitdet vivit vjepa2 voxtral_encoder voxtral_realtime_encoder
    wav2vec2 wav2vec2-bert wav2vec2-conformer wavlm wavtokenizer wavtokenizer_encoder whisper xcodec xcodec2
    yolos
    """
)
"""``forward`` takes pixels, sound, points or series, and no ``input_ids``."""

NOT_BUILT = {
    "bridgetower": "needs pixels beside the text, and its vision tower has its sizes in code",
    "clap": "needs sound beside the text, and its sound tower does not shrink",
    "csm": "speaks: reads several codebooks at a position, not one token",
    "evolla": "reads proteins beside the text, and its towers do not shrink",
    "gradium_phonon_tts": "speaks: a part of its configuration names no model type",
    "higgs_audio_v2_tokenizer": "reads sound; needs torchaudio",
    "kyutai_speech_to_text": "reads several codebooks at a position, not one token",
    "layoutlmv2": "needs detectron2, which does not come with transformers",
    "perceiver": "transformers has an image classifier of that type, and the prior takes it for one",
    "phi4_multimodal": "its vision and sound towers do not shrink",
    "pocket_tts": "speaks: a part of its configuration names no model type",
    "tvp": "needs video beside the text, and its backbone does not shrink",
    "vits": "speaks; its output is a wave",
    "voxtral_realtime_text": "transformers registers a class that it does not export",
}

SPECIAL_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    # Attention in blocks with random ones, until a short row turns it into full attention for good.
    "big_bird, small blocks": ("big_bird", {"block_size": 2, "num_random_blocks": 1}),
    "deberta-v2, convolution": ("deberta-v2", {"conv_kernel_size": 3, "conv_act": "gelu"}),
    "esm, token dropout": ("esm", {"token_dropout": True, "mask_token_id": 4}),
    "ibert, quantized": ("ibert", {"quant_mode": True}),
    # Frequencies of rotary embeddings that follow the longest row of the batch.
    "phi3, long rope": (
        "phi3",
        {
            "original_max_position_embeddings": 16,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10_000.0,
                "short_factor": [1.0] * 4,
                "long_factor": [1.0, 2.0, 4.0, 8.0],
                "original_max_position_embeddings": 16,
            },
        },
    ),
    "reformer, seeded": ("reformer", {"hash_seed": 7}),
    "xlnet, mean": ("xlnet", {"summary_type": "mean"}),
}
"""Settings of an architecture that may give it a dependence of their own: model type and changes."""

HYBRID: dict[str, Any] = {"layer_types": ["linear_attention", "full_attention"]}


def rope(*section: int) -> dict[str, Any]:
    """Rotary embeddings over several axes: how many frequencies each axis takes."""
    return {
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": list(section)}
    }


OVERRIDES: dict[str, dict[str, Any]] = {
    "canine": {"num_hash_buckets": 64, "local_transformer_stride": 16},
    "esmc": {"num_key_value_heads": 4},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 4},
    "gptj": {"rotary_dim": 4},
    "codegen": {"rotary_dim": 4},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "layoutlmv3": {"coordinate_size": 4, "shape_size": 8},
    "lilt": {"hidden_size": 24, "num_attention_heads": 2},
    "luke": {"entity_vocab_size": 8, "entity_emb_size": 8},
    "markuplm": {
        "max_xpath_tag_unit_embeddings": 8,
        "max_xpath_subs_unit_embeddings": 8,
        "tag_pad_id": 6,
        "subs_pad_id": 6,
        "xpath_unit_hidden_size": 4,
        "max_depth": 4,
    },
    "qwen3_5": {"text_config": HYBRID},
    "qwen3_5_text": HYBRID,
    "qwen3_next": HYBRID,
    "qwen3_5_moe_text": HYBRID,
    "reformer": {
        "attn_layers": ["local", "lsh"],
        "axial_pos_embds": False,
        "attention_head_size": 8,
        "feed_forward_size": 48,
        "local_attn_chunk_length": 4,
        "lsh_attn_chunk_length": 4,
        "num_buckets": 4,
    },
    "roc_bert": {
        "pronunciation_vocab_size": 48,
        "pronunciation_embed_dim": 8,
        "shape_vocab_size": 48,
        "shape_embed_dim": 8,
    },
    "xmod": {"default_language": "en_XX"},
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid", "hybrid"],
        "num_hidden_layers": 3,
        "use_mamba_kernels": False,
        "num_key_value_heads": 4,
    },
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "use_mamba_kernels": False,
        "num_mem_blocks": 1,
    },
    "bailing_hybrid": HYBRID,
    "bamba": {"attn_layer_indices": [1], "mamba_d_head": 16},
    "cosmos3_edge_text": rope(2, 1, 1),
    "cpmant": {
        "dim_head": 8,
        "dim_ff": 48,
        "position_bias_num_buckets": 16,
        "position_bias_max_distance": 32,
        "prompt_length": 4,
    },
    "dory": {
        "n_input_layers": 1,
        "n_output_layers": 0,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "gemma3n_text": {
        "num_kv_shared_layers": 1,
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "full_attention"],
        "laurel_rank": 4,
    },
    "gemma4_text": {"global_head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "glm4v_text": rope(2, 1, 1),
    "glm4v_moe_text": rope(1, 1, 0),
    "glm_image_text": rope(2, 1, 1),
    "glm_ocr_text": rope(2, 1, 1),
    "hunyuan_vl_text": rope(1, 1, 1, 1),
    "neomme": {"head_dim": 16},
    "chameleon": {
        "vocabulary_map": {"<image>": 47},
        "vq_config": {
            "channel_multiplier": [1],
            "num_res_blocks": 1,
            "base_channels": 32,
            "attn_resolutions": [],
        },
    },
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10_000.0},
        "ffn_config": {"moe_num_experts": 4, "ffn_hidden_size": 48, "moe_top_k": 2},
    },
    "xlstm": {"hidden_size": 128, "num_heads": 2},
    "glm5_next_text": {
        "num_key_value_heads": 4,
        "qk_rope_head_dim": 0,
        "layer_types": ["linear_attention", "indexed_attention"],
        "mlp_layer_types": ["dense", "sparse"],
        "index_kpool": 4,
    },
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"], "mamba_d_head": 16},
    "hy_v4_vl_text": rope(1, 1, 0),
    "kimi_linear": HYBRID,
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "lfm3": {"layer_types": ["conv", "full_attention"]},
    "longcat_flash": {
        "ffn_hidden_size": 48,
        "expert_ffn_hidden_size": 16,
        "zero_expert_num": 2,
        "head_dim": 4,
    },
    "mamba2": {"num_heads": 4, "head_dim": 16, "n_groups": 2},
    "nemotron_h": {
        "layers_block_type": ["linear_attention", "moe", "full_attention"],
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "n_groups": 2,
        "moe_shared_expert_intermediate_size": 16,
    },
    "qwen2_5_vl_text": rope(2, 1, 1),
    "qwen2_vl_text": rope(2, 1, 1),
    "qwen4_exp_text": {
        "layer_types": ["linear_attention", "indexed_attention"],
        "hc_lowrank": 4,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "attention_window_size": 4},
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 8},
}


def text_architectures() -> list[str]:
    """Every architecture to be tried: transformers' model types less those in the tables, and the special cases."""
    left_out = {*ENCODER_DECODERS, *NAMES_NO_HIDDEN_SIZE, *READS_NO_TEXT, *NOT_BUILT}
    return [*(name for name in model_types() if name not in left_out), *SPECIAL_CASES]


def model_type(name: str) -> str:
    """Of an architecture or of a special case."""
    return SPECIAL_CASES[name][0] if name in SPECIAL_CASES else name


def model_types() -> list[str]:
    """All model types that have a classifier of sequences or a bare model, image classifiers left out."""
    names = dict.fromkeys((*MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, *MODEL_MAPPING_NAMES))
    return [
        name
        for name in names
        if name not in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
        or name in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    ]
