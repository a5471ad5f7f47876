"""What changes flags and segments; each verb lives beside its siblings in a module of its own."""

from __future__ import annotations

from equipoise_server.flags.baselines import (
    CoverFlag,
    cover_flag,
    fill_coverage_port,
    uncover_flags,
)
from equipoise_server.flags.editing import (
    ArchiveFlag,
    CreateFlag,
    UpdateFlag,
    UpdateFlagSettings,
    archive_flag,
    create_flag,
    proposed_node,
    update_flag,
    update_flag_settings,
)
from equipoise_server.flags.environments import AddEnvironment, add_environment
from equipoise_server.flags.grouping import (
    CreateGroup,
    DeleteGroup,
    KillGroup,
    UpdateGroup,
    create_group,
    delete_group,
    kill_group,
    unkill_group,
    update_group,
)
from equipoise_server.flags.killing import (
    KillEnvironment,
    KillFlag,
    kill_environment,
    kill_flag,
    unkill_environment,
    unkill_flag,
)
from equipoise_server.flags.listing import ChangeMembers, CreateList, change_members, create_list
from equipoise_server.flags.pins import PinFlags, UnpinFlags, pin_flags, unpin_flags
from equipoise_server.flags.previewing import (
    CreatePreviewLink,
    RevokePreviewLinks,
    create_preview_link,
    revoke_preview_links,
)
from equipoise_server.flags.promotion import fill_promotion_port
from equipoise_server.flags.ramps import (
    ChangeRamp,
    ScheduleRamp,
    end_ramp,
    pause_ramp,
    resume_ramp,
    roll_back_ramp,
    schedule_ramp,
)
from equipoise_server.flags.rollouts import SetRolloutShare, add_rollout_rule, keep_on, set_rollout_share
from equipoise_server.flags.segmenting import (
    CreateSegment,
    DeleteSegment,
    UpdateSegment,
    create_segment,
    delete_segment,
    update_segment,
)
from equipoise_server.flags.unit_files import UnitFile, unit_ids

__all__ = [
    "AddEnvironment",
    "ArchiveFlag",
    "ChangeMembers",
    "ChangeRamp",
    "CoverFlag",
    "CreateFlag",
    "CreateGroup",
    "CreateList",
    "CreatePreviewLink",
    "CreateSegment",
    "DeleteGroup",
    "DeleteSegment",
    "KillEnvironment",
    "KillFlag",
    "KillGroup",
    "PinFlags",
    "RevokePreviewLinks",
    "ScheduleRamp",
    "SetRolloutShare",
    "UnitFile",
    "UnpinFlags",
    "UpdateFlag",
    "UpdateFlagSettings",
    "UpdateGroup",
    "UpdateSegment",
    "add_environment",
    "add_rollout_rule",
    "archive_flag",
    "change_members",
    "cover_flag",
    "create_flag",
    "create_group",
    "create_list",
    "create_preview_link",
    "create_segment",
    "delete_group",
    "delete_segment",
    "end_ramp",
    "fill_coverage_port",
    "fill_promotion_port",
    "keep_on",
    "kill_environment",
    "kill_flag",
    "kill_group",
    "pause_ramp",
    "pin_flags",
    "proposed_node",
    "resume_ramp",
    "revoke_preview_links",
    "roll_back_ramp",
    "schedule_ramp",
    "set_rollout_share",
    "uncover_flags",
    "unit_ids",
    "unkill_environment",
    "unkill_flag",
    "unkill_group",
    "unpin_flags",
    "update_flag",
    "update_flag_settings",
    "update_group",
    "update_segment",
]
