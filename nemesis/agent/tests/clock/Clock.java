import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Instant;

/** Says what time it sees for each line that it reads, while others ask for it all the time. */
public class Clock {
    public static void main(String[] arguments) throws Exception {
        for (int number = 0; number < 2; number++) {
            Thread thread = new Thread(() -> {
                long before = System.nanoTime();
                while (System.currentTimeMillis() != 0) {
                    long now = System.nanoTime();
                    if (now < before) {
                        Runtime.getRuntime().halt(9);
                    }
                    before = now;
                }
            });
            thread.setDaemon(true);
            thread.start();
        }
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            Instant now = Instant.now();
            System.out.println("clock " + (now.getEpochSecond() * 1_000_000_000L + now.getNano()));
        }
    }
}
