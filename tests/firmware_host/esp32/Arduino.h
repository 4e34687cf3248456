/*
 * As much of an ESP32's Arduino core as hub_esp32.ino uses, on a computer and in a time of its own:
 * one turn of loop() takes 50 µs. Four ICM-42688-P hang on the SPI bus, as by their datasheet
 * (DS-000347, bank 0): registers that matter here, data high byte first, scaled by the range that
 * was set, nothing before they were switched on.
 */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <vector>

enum { LOW = 0, HIGH = 1, OUTPUT = 1, MSBFIRST = 1, SPI_MODE0 = 0 };

namespace board {
const int SENSORS = 4;
const int CHIP_SELECT[SENSORS] = {5, 16, 17, 21};
inline uint64_t now_us = 5000000; /* what the clock shows at power-up */
inline int missing = -1;          /* a sensor that is not there */
inline bool sync_is_high = false;
inline std::vector<uint64_t> sync_edges, lamp_edges;
inline std::deque<uint8_t> heard; /* from the host, not yet read */
inline std::vector<uint8_t> said;

struct Sensor {
    uint8_t registers[128] = {};
    bool is_selected = false, has_address = false;
    uint8_t address = 0;

    Sensor() { registers[0x75] = 0x47; } /* WHO_AM_I */

    bool is_on() const { return registers[0x4E] == 0x0F; }

    /* What this sensor feels now: m/s², rad/s. */
    static double felt(int sensor, int channel) {
        const double t = (double)now_us * 1e-6;
        const double values[6] = {1.0 + sensor, 9.80665, 2.0 * std::sin(6.0 * t),
                                  0.25 * (1 + sensor), -0.5, std::cos(3.0 * t)};
        return values[channel];
    }

    void measure(int sensor) {
        const double accel_range = 16.0 * 9.80665 / (1 << (registers[0x50] >> 5));
        const double gyro_range = 2000.0 * M_PI / 180.0 / (1 << (registers[0x4F] >> 5));
        put(0x1D, is_on() ? (int)std::lround((31.0 - 25.0) * 132.48) : -32768);
        for (int channel = 0; channel < 6; channel++) {
            const double range = channel < 3 ? accel_range : gyro_range;
            const long counts = std::lround(felt(sensor, channel) / range * 32768.0);
            put(0x1F + 2 * channel, is_on() ? (int)counts : -32768);
        }
    }

    void put(int at, int value) {
        registers[at] = (uint8_t)((value >> 8) & 0xFF);
        registers[at + 1] = (uint8_t)(value & 0xFF);
    }
};
inline Sensor sensors[SENSORS];
} // namespace board

inline uint32_t micros() { return (uint32_t)board::now_us; }
inline uint32_t millis() { return (uint32_t)(board::now_us / 1000); }
inline void delayMicroseconds(uint32_t us) { board::now_us += us; }
inline void delay(uint32_t ms) { board::now_us += 1000ull * ms; }
inline void pinMode(int, int) {}

inline void digitalWrite(int pin, int level) {
    for (int sensor = 0; sensor < board::SENSORS; sensor++) {
        if (board::CHIP_SELECT[sensor] != pin)
            continue;
        board::sensors[sensor].is_selected = level == LOW;
        board::sensors[sensor].has_address = false;
    }
    if (pin == 4 && level == HIGH)
        board::sync_edges.push_back(board::now_us);
    if (pin == 2)
        board::lamp_edges.push_back(board::now_us);
}

struct SPISettings {
    SPISettings(uint32_t, int, int) {}
};

struct Bus {
    void begin() {}
    void beginTransaction(const SPISettings &) {}
    void endTransaction() {}

    uint8_t transfer(uint8_t byte) {
        board::now_us += 1; /* eight bits at 8 MHz */
        uint8_t answer = 0xFF; /* nobody pulls the line down */
        for (int sensor = 0; sensor < board::SENSORS; sensor++) {
            board::Sensor &chip = board::sensors[sensor];
            if (!chip.is_selected || sensor == board::missing)
                continue;
            if (!chip.has_address) {
                chip.has_address = true;
                chip.address = byte;
                if (byte & 0x80)
                    chip.measure(sensor);
                continue;
            }
            const uint8_t at = chip.address & 0x7F;
            if (chip.address & 0x80)
                answer = chip.registers[at];
            else
                chip.registers[at] = byte;
            chip.address++;
        }
        return answer;
    }
};
inline Bus SPI;

struct Uart {
    void setTxBufferSize(size_t) {}
    void begin(uint32_t) {}
    int availableForWrite() { return 8192; }
    int available() { return (int)board::heard.size(); }

    int read() {
        const uint8_t byte = board::heard.front();
        board::heard.pop_front();
        return byte;
    }

    size_t write(const uint8_t *bytes, size_t size) {
        board::said.insert(board::said.end(), bytes, bytes + size);
        return size;
    }
};
inline Uart Serial;

struct Chip {
    unsigned long long getEfuseMac() { return 0x0000A1B2C3D4E5F6ull & 0xFFFFFFFFFFFFull; }
};
inline Chip ESP;

#endif
