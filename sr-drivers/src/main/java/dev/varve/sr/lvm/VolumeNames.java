// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * What logical volumes are called.
 *
 * <table>
 * <caption>names in the volume group {@code VG_XenStorage-<uuid of the repository>}</caption>
 * <tr><th>name</th><th>tag</th><th>what it is</th></tr>
 * <tr><td>{@code VHD-<uuid>}</td><td></td><td>an image in the VHD format</td></tr>
 * <tr><td>{@code LV-<uuid>}</td><td></td><td>the plain content of a disk</td></tr>
 * <tr><td>{@code <uuid>.cbtlog}</td><td>{@code cbtlog}</td><td>a log of changed blocks</td></tr>
 * <tr><td>{@code MGT}</td><td></td><td>{@link ManagementFormat}</td></tr>
 * <tr><td>{@code VARVE-incoming-<uuid>}</td><td>{@code incoming-<host>}</td><td>an image that is
 * being made, and by which host</td></tr>
 * <tr><td>{@code VARVE-plan-<uuid>}</td><td></td><td>the journal of a plan</td></tr>
 * <tr><td>{@code VARVE-meta-<uuid>}</td><td></td><td>metadata of the repository</td></tr>
 * <tr><td>{@code VARVE-attributes}</td><td>{@code entry-<number>}</td>
 * <td>{@link AttributeLog}</td></tr>
 * <tr><td>{@code VARVE-moving-<number>}</td><td></td><td>never seen: a name within one change</td></tr>
 * </table>
 *
 * <p>The first four are those of the reference stack, which leaves names that it does not know
 * alone. Names are read strictly: what is not exactly one of these is somebody else's.
 */
final class VolumeNames {
    /** Before the UUID of the repository, in the name of its group. */
    static final String GROUP_PREFIX = "VG_XenStorage-";

    /** The metadata of the reference stack. */
    static final String MANAGEMENT = "MGT";

    /** Our own attributes. */
    static final String ATTRIBUTES = "VARVE-attributes";

    /** Attributes that could not be read, set aside for a person. */
    static final String DAMAGED = "VARVE-damaged";

    /** The tag of logs of changed blocks. */
    static final String CBT_TAG = "cbtlog";

    /** The tag of inner nodes. */
    static final String HIDDEN_TAG = "hidden";

    private static final String CBT_SUFFIX = ".cbtlog";
    private static final String INCOMING_TAG = "incoming-";
    private static final Pattern UUID_TEXT =
            Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");

    private VolumeNames() {}

    /** The name of the group of a repository. */
    static String group(UUID repository) {
        return GROUP_PREFIX + repository;
    }

    /** The repository that a group is called after. */
    static Optional<UUID> repository(String group) {
        return afterPrefix(group, GROUP_PREFIX);
    }

    private static String prefix(VolumeKind kind) {
        return switch (kind) {
            case VHD -> "VHD-";
            case RAW -> "LV-";
            case CBT_LOG -> "";
            case META -> "VARVE-meta-";
            case JOURNAL -> "VARVE-plan-";
            case INCOMING -> "VARVE-incoming-";
        };
    }

    /** The name of a volume. */
    static String of(VolumeId id) {
        String suffix = id.kind() == VolumeKind.CBT_LOG ? CBT_SUFFIX : "";
        return prefix(id.kind()) + id.uuid() + suffix;
    }

    /** The volume of a name, if it is one of ours. */
    static Optional<VolumeId> parse(String name) {
        if (name.endsWith(CBT_SUFFIX)) {
            return uuid(name.substring(0, name.length() - CBT_SUFFIX.length()))
                    .map(uuid -> new VolumeId(VolumeKind.CBT_LOG, uuid));
        }
        for (VolumeKind kind : VolumeKind.values()) {
            String prefix = prefix(kind);
            if (!prefix.isEmpty() && name.startsWith(prefix)) {
                return afterPrefix(name, prefix).map(uuid -> new VolumeId(kind, uuid));
            }
        }
        return Optional.empty();
    }

    private static Optional<UUID> afterPrefix(String name, String prefix) {
        return name.startsWith(prefix) ? uuid(name.substring(prefix.length())) : Optional.empty();
    }

    private static Optional<UUID> uuid(String text) {
        return UUID_TEXT.matcher(text).matches()
                ? Optional.of(UUID.fromString(text))
                : Optional.empty();
    }

    /** The tags that a volume has because of its kind. */
    static List<String> tags(VolumeKind kind, UUID host) {
        return switch (kind) {
            case CBT_LOG -> List.of(CBT_TAG);
            case INCOMING -> List.of(incomingTag(host));
            case VHD, RAW, META, JOURNAL -> List.of();
        };
    }

    /** The tag of images that a host is making. */
    static String incomingTag(UUID host) {
        return INCOMING_TAG + host;
    }

    /** Whether a tag is there only because of the kind of a volume. */
    static boolean isOfKind(String tag) {
        return tag.equals(CBT_TAG) || tag.startsWith(INCOMING_TAG);
    }

    /** A name for a volume on its way to another name, within one change. */
    static String moving(int number) {
        return "VARVE-moving-" + String.format(Locale.ROOT, "%d", number);
    }
}
