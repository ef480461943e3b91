// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * Holds the arrows between modules and packages that {@code docs/ARCHITECTURE.md} draws. The module
 * system holds most of those between modules at compile time; here they also hold for the class
 * path, on which the daemon runs.
 */
class ArchitectureTest {
    /** What only {@code dev.varve.vdi.time} may call, so that a simulation can stand in for it. */
    private static final Set<String> CLOCK_RANDOM_THREADS =
            Set.of(
                    "java.lang.System.nanoTime",
                    "java.lang.System.currentTimeMillis",
                    "java.time.Instant.now",
                    "java.lang.Thread.<init>",
                    "java.lang.Thread.ofPlatform",
                    "java.lang.Thread.ofVirtual",
                    "java.lang.Thread.startVirtualThread",
                    "java.lang.Math.random",
                    "java.util.Random.<init>",
                    "java.util.SplittableRandom.<init>",
                    "java.util.UUID.randomUUID",
                    "java.util.Timer.<init>");

    private static final Set<String> CLOCK_RANDOM_THREADS_CLASSES =
            Set.of(
                    "java.util.concurrent.Executors",
                    "java.util.concurrent.ThreadPoolExecutor",
                    "java.util.concurrent.ScheduledThreadPoolExecutor",
                    "java.util.concurrent.ForkJoinPool",
                    "java.util.concurrent.ThreadLocalRandom",
                    "java.security.SecureRandom");

    private static JavaClasses varve;

    @BeforeAll
    static void importAll() {
        List<Path> folders =
                Tree.MODULES.stream()
                        .map(module -> Tree.root().resolve(module).resolve("target/classes"))
                        .filter(Files::isDirectory)
                        .toList();
        varve = new ClassFileImporter().importPaths(folders);
    }

    /** An import that finds nothing would let every rule pass. */
    @Test
    void seesTheClassesOfAllModulesWithCode() {
        for (String package_ :
                List.of("vdi.block", "vdi.vhd", "vdi.engine", "sr.spi", "hv.nbd", "hv.xe")) {
            assertTrue(
                    varve.stream()
                            .anyMatch(c -> c.getPackageName().equals("dev.varve." + package_)),
                    package_);
        }
    }

    /** A rule that cannot fail proves nothing: this one is broken on purpose. */
    @Test
    void canSeeAForbiddenArrow() {
        ArchRule planted = uses("dev.varve.vdi.vhd..", "dev.varve.vdi.vhd..");
        assertTrue(planted.evaluate(varve).hasViolation());
        assertFalse(uses("dev.varve.vdi..", "dev.varve.vdi..").evaluate(varve).hasViolation());
    }

    @Test
    void modulesUseOnlyTheModulesBelowThem() {
        uses("dev.varve.vdi..", "dev.varve.vdi..").check(varve);
        uses("dev.varve.sr..", "dev.varve.vdi..", "dev.varve.sr..").check(varve);
        uses("dev.varve.intellicache..", "dev.varve.vdi..", "dev.varve.intellicache..")
                .check(varve);
        uses(
                        "dev.varve.migration..",
                        "dev.varve.vdi..",
                        "dev.varve.sr.spi..",
                        "dev.varve.migration..")
                .check(varve);
        uses(
                        "dev.varve.hv..",
                        "dev.varve.vdi..",
                        "dev.varve.sr.spi..",
                        "dev.varve.intellicache..",
                        "dev.varve.migration..",
                        "dev.varve.hv..")
                .check(varve);
    }

    @Test
    void blockDevicesKnowNeitherImagesNorLanes() {
        uses(
                        "dev.varve.vdi.block..",
                        "dev.varve.vdi",
                        "dev.varve.vdi.block..",
                        "dev.varve.vdi.io..",
                        "dev.varve.vdi.ffi..",
                        "dev.varve.vdi.time..")
                .check(varve);
    }

    @Test
    void vhdKnowsOnlyDevicesAndTheSeamOfFormats() {
        uses(
                        "dev.varve.vdi.vhd..",
                        "dev.varve.vdi",
                        "dev.varve.vdi.vhd..",
                        "dev.varve.vdi.block..",
                        "dev.varve.vdi.image..",
                        "dev.varve.vdi.time..")
                .check(varve);
    }

    @Test
    void engineAndDisksUseFormatsOnlyThroughTheirSeam() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        "dev.varve.vdi.engine..",
                        "dev.varve.vdi.disk..",
                        "dev.varve.vdi.coalesce..",
                        "dev.varve.vdi.image..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.varve.vdi.vhd..", "dev.varve.vdi.raw..")
                .check(varve);
    }

    @Test
    void driverInterfaceKnowsNoDriver() {
        uses("dev.varve.sr.spi..", "dev.varve.sr.spi..", "dev.varve.vdi..").check(varve);
    }

    /** So that it starts quickly, from one jar. */
    @Test
    void theClientNeedsNothingButTheJdk() {
        classes()
                .that()
                .resideInAPackage("dev.varve.hv.xe..")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("dev.varve.hv.xe..", "java..", "javax.net.ssl..")
                .check(varve);
    }

    @Test
    void clockRandomAndThreadsComeFromTheTimePackage() {
        noClasses()
                .that()
                .resideOutsideOfPackages(
                        "dev.varve.vdi.time..", "dev.varve.sim..", "dev.varve.fuzz..")
                .should()
                .accessTargetWhere(clockRandomOrThreads())
                .check(varve);
    }

    private static DescribedPredicate<JavaAccess<?>> clockRandomOrThreads() {
        return describe(
                "the system's clock, randomness or threads",
                access -> {
                    String owner = access.getTargetOwner().getName();
                    return CLOCK_RANDOM_THREADS_CLASSES.contains(owner)
                            || CLOCK_RANDOM_THREADS.contains(owner + "." + access.getName());
                });
    }

    /** Benchmarks start the servers that they compare with. */
    @Test
    void processesAreStartedInOnePlace() {
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.varve.sr.host..", "dev.varve.hv.bench..")
                .should()
                .accessTargetWhere(
                        describe(
                                "the start of a process",
                                access -> {
                                    String owner = access.getTargetOwner().getName();
                                    return owner.equals("java.lang.ProcessBuilder")
                                            || (owner.equals("java.lang.Runtime")
                                                    && access.getName().equals("exec"));
                                }))
                .check(varve);
    }

    @Test
    void filesArePaths() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.io.File")
                .check(varve);
    }

    /** Of our own packages, those in {@code from} use only these. */
    private static ArchRule uses(String from, String... allowed) {
        return classes()
                .that()
                .resideInAPackage(from)
                .should()
                .onlyDependOnClassesThat(
                        resideInAnyPackage(allowed).or(resideOutsideOfPackage("dev.varve..")))
                .allowEmptyShould(true);
    }
}
