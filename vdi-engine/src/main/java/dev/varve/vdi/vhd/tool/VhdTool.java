// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd.tool;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdChain;
import dev.varve.vdi.vhd.VhdChainCheck;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdDescription;
import dev.varve.vdi.vhd.VhdFact;
import dev.varve.vdi.vhd.VhdFinding;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdMap;
import dev.varve.vdi.vhd.VhdVerdict;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * The command {@code varve vhd}: checks VHD files, tells about them, and repairs those that were
 * not closed. It needs no daemon.
 *
 * <p>Ends with 0 when all is well, 1 when an image is invalid or something failed, 2 when it was
 * called wrongly, and 3 when a check found an image that was not closed.
 */
public final class VhdTool {
    private static final int INVALID = 1;
    private static final int USAGE = 2;
    private static final int UNCLEAN = 3;

    private static final String HELP =
            """
            usage: varve vhd check [--no-parents] FILE
                   varve vhd info [--json] FILE
                   varve vhd map [--json] FILE
                   varve vhd repair FILE

              check    is the image, and everything that it rests on, in order?
                       ends with 0 for valid, 1 for invalid, 3 for one that was not closed
              info     tell everything that the image says of itself
              map      tell which file holds which part of the disk
              repair   put an image in order that was not closed

            Parents are looked for in the directory of the file.
            """;

    private final Clock clock;
    private final PrintStream out;
    private final PrintStream err;

    VhdTool(Clock clock, PrintStream out, PrintStream err) {
        this.clock = clock;
        this.out = out;
        this.err = err;
    }

    /** Runs the command and ends the process. */
    public static void main(String[] args) {
        int code = new VhdTool(Clock.system(), System.out, System.err).run(List.of(args));
        System.out.flush();
        System.exit(code);
    }

    /** Runs the command; gives back how the process should end. */
    int run(List<String> args) {
        if (!args.isEmpty() && List.of("help", "--help", "-h").contains(args.getFirst())) {
            out.print(HELP);
            return 0;
        }
        List<String> options = args.stream().filter(arg -> arg.startsWith("--")).toList();
        List<String> words = args.stream().filter(arg -> !arg.startsWith("--")).toList();
        if (words.size() != 2 || !allowed(words.getFirst()).containsAll(options)) {
            err.print(HELP);
            return USAGE;
        }
        Path file = Path.of(words.getLast());
        try {
            return run(words.getFirst(), file, !options.isEmpty());
        } catch (StorageException e) {
            err.println("varve vhd: " + Facts.visible(e.sentence()));
            return INVALID;
        }
    }

    private static List<String> allowed(String command) {
        return switch (command) {
            case "check" -> List.of("--no-parents");
            case "info", "map" -> List.of("--json");
            default -> List.of();
        };
    }

    private int run(String command, Path file, boolean option) {
        return switch (command) {
            case "check" -> check(file, !option);
            case "info" -> info(file, option);
            case "map" -> map(file, option);
            case "repair" -> repair(file);
            default -> {
                err.print(HELP);
                yield USAGE;
            }
        };
    }

    private static String name(Path file) {
        Path name = file.toAbsolutePath().normalize().getFileName();
        return name == null ? file.toString() : name.toString();
    }

    // ---- check

    private int check(Path file, boolean parents) {
        try (FileAccess access = FileAccess.open(file, false);
                Directory near = new Directory(file)) {
            VhdCheck check = new VhdCheck(clock);
            List<VhdChainCheck.Checked> checked =
                    parents
                            ? new VhdChainCheck(check, near).check(name(file), access)
                            : List.of(new VhdChainCheck.Checked(name(file), check.check(access)));
            checked.forEach(each -> tell(each.name(), each.result()));
            VhdVerdict verdict = VhdChainCheck.verdict(checked);
            if (checked.size() > 1) {
                out.println("the chain of " + checked.size() + " images: " + word(verdict));
            }
            return code(verdict);
        }
    }

    private void tell(String name, VhdCheck.Result result) {
        out.println(Facts.visible(name) + ": " + word(result.verdict()));
        for (VhdFinding finding : result.findings()) {
            String note = finding.weight() == VhdFinding.Weight.NOTE ? "note: " : "";
            out.println("  " + note + Facts.visible(finding.where() + " " + finding.what()));
            out.println("    " + Facts.visible(finding.advice()));
        }
    }

    private static String word(VhdVerdict verdict) {
        return verdict.name().toLowerCase(Locale.ROOT);
    }

    private static int code(VhdVerdict verdict) {
        return switch (verdict) {
            case VALID -> 0;
            case UNCLEAN -> UNCLEAN;
            case INVALID -> INVALID;
        };
    }

    // ---- info and map

    private int info(Path file, boolean json) {
        try (FileAccess access = FileAccess.open(file, false);
                Directory near = new Directory(file)) {
            List<VhdFact> facts = VhdDescription.of(name(file), access, near);
            out.print(json ? Facts.json(facts) + "\n" : Facts.text(facts));
            return 0;
        }
    }

    private int map(Path file, boolean json) {
        try (FileAccess access = FileAccess.open(file, false);
                Directory near = new Directory(file)) {
            List<VhdChain.Layer> layers = VhdChain.open(name(file), access, near);
            List<String> names = layers.stream().map(VhdChain.Layer::name).toList();
            if (json) {
                mapAsJson(layers, names);
            } else {
                VhdMap.tell(
                        layers,
                        (offset, length, layer) ->
                                out.printf(
                                        "%16d %16d  %s%n",
                                        offset,
                                        length,
                                        layer == VhdMap.ZERO
                                                ? "zero"
                                                : Facts.visible(names.get(layer))));
            }
            return 0;
        }
    }

    private void mapAsJson(List<VhdChain.Layer> layers, List<String> names) {
        String[] separator = {"["};
        VhdMap.tell(
                layers,
                (offset, length, layer) -> {
                    String where =
                            layer == VhdMap.ZERO
                                    ? "\"zero\":true"
                                    : "\"zero\":false,\"file\":" + Facts.quote(names.get(layer));
                    out.printf(
                            "%s{\"offset\":%d,\"length\":%d,%s}",
                            separator[0], offset, length, where);
                    separator[0] = ",\n ";
                });
        out.println("]");
    }

    // ---- repair

    private int repair(Path file) {
        VhdCheck check = new VhdCheck(clock);
        VhdCheck.Result before;
        try (FileAccess access = FileAccess.open(file, false)) {
            before = check.check(access);
        }
        return switch (before.verdict()) {
            case VALID -> {
                out.println(name(file) + ": valid, nothing to do");
                yield 0;
            }
            case INVALID -> {
                tell(name(file), before);
                err.println(
                        "varve vhd: only an image that was not closed can be repaired; "
                                + file
                                + " was left as it is");
                yield INVALID;
            }
            case UNCLEAN -> repair(file, before, check);
        };
    }

    private int repair(Path file, VhdCheck.Result before, VhdCheck check) {
        OptionalLong writer = writer(file);
        if (writer.isPresent()) {
            err.println(
                    "varve vhd: process "
                            + writer.getAsLong()
                            + " has "
                            + file
                            + " open for writing; detach the disk first");
            return INVALID;
        }
        try (FileAccess access = FileAccess.open(file, true)) {
            List<String> done = close(access, before);
            VhdCheck.Result after = check.check(access);
            tell(name(file), after);
            done.forEach(line -> out.println("  done: " + line));
            return code(after.verdict());
        }
    }

    private static OptionalLong writer(Path file) {
        try {
            return Writers.find(file);
        } catch (IOException e) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "whether somebody has " + file + " open cannot be told: " + e, e);
        }
    }

    /** Opens the image as for use and closes it at once. */
    private List<String> close(BlockAccess access, VhdCheck.Result before) {
        long size = access.sizeBytes();
        ImageLayer layer = new VhdFormat(clock).open(access, true);
        layer.seal(access, layer.info().hidden());
        List<String> done = new ArrayList<>();
        long change = access.sizeBytes() - size;
        if (change < 0) {
            done.add("cut off " + -change + " bytes behind the last block, which nothing names");
        } else if (change > 0) {
            done.add("made the file " + change + " bytes longer, for the footer");
        }
        if (before.findings().stream().anyMatch(each -> each.where().equals("the batmap"))) {
            done.add("wrote the batmap anew, as that of an image without whole blocks");
        }
        done.add("wrote the footer at the end");
        return done;
    }
}
