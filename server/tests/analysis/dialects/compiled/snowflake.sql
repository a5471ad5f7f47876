-- units
WITH firsts AS (
  SELECT
    seen.unit AS pair,
    seen.unit,
    seen.arm,
    seen.first_at,
    seen.is_crossed
  FROM (
    SELECT
      exposure.unit,
      exposure.variant AS arm,
      exposure.derived_at AS seen_at,
      DATE_PART(EPOCH_MICROSECOND, exposure.derived_at) AS first_at,
      ROW_NUMBER() OVER (PARTITION BY exposure.unit ORDER BY exposure.derived_at, exposure.id) AS place,
      CASE
        WHEN MIN(exposure.variant) OVER (PARTITION BY exposure.unit) <> MAX(exposure.variant) OVER (PARTITION BY exposure.unit)
        THEN 1
        ELSE 0
      END AS is_crossed
    FROM exposures AS exposure
    WHERE
      exposure.experiment = 'checkout'
      AND exposure.iteration = 1
      AND exposure.unit_type = 'user'
      AND exposure.variant IN ('control', 'treatment')
      AND exposure.derived_at >= CAST('2026-03-01 00:00:00' AS TIMESTAMPNTZ)
      AND exposure.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
      AND NOT exposure.is_early
  ) AS seen
  WHERE
    seen.place = 1 AND seen.seen_at < CAST('2026-03-04 00:00:00' AS TIMESTAMPNTZ)
), totals0 AS (
  SELECT
    done.pair,
    MAX(
      CASE
        WHEN done.after >= 0 AND done.after < 111600000000 AND done.m_e776c5259fe3d2c8 > 0
        THEN CAST('1.0' AS DOUBLE)
      END
    ) AS y0,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 259200000000
        THEN done.m_e776c5259fe3d2c8
      END
    ) AS y1,
    SUM(
      CASE
        WHEN done.after < 0
        AND done.moment >= (
          (
            done.first_at - (
              done.first_at % 86400000000
            )
          ) - 172800000000
        )
        THEN done.m_e776c5259fe3d2c8
      END
    ) AS y2,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_067a69f289efdeba
      END
    ) AS y3,
    SUM(
      CASE
        WHEN done.after < 0
        AND done.moment >= (
          (
            done.first_at - (
              done.first_at % 86400000000
            )
          ) - 259200000000
        )
        THEN done.m_067a69f289efdeba
      END
    ) AS y4,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 604800000000
        THEN done.m_ccc9b4af9a8d3313
      END
    ) AS y5,
    SUM(
      CASE
        WHEN done.after >= 0
        AND done.moment < (
          (
            (
              done.first_at + 86400000000
            ) - (
              (
                done.first_at + 86400000000
              ) % 86400000000
            )
          ) + 86400000000
        )
        THEN done.m_1143b925b7c5a89d
      END
    ) AS y6,
    SUM(
      CASE
        WHEN done.after >= 18000000000 AND done.after < 604800000000
        THEN done.m_cd268ae0a18a828f
      END
    ) AS y7,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 86400000000
        THEN done.m_b57d040a8b2ad347
      END
    ) AS y8,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_067a69f289efdeba
      END
    ) AS y9,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_7d1d4fec4156ae22
      END
    ) AS y10,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 86400000000
        THEN done.m_e776c5259fe3d2c8
      END
    ) AS y11,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 86400000000
        THEN done.m_1553c762c63ca968
      END
    ) AS y12,
    SUM(
      CASE
        WHEN done.after < 0
        AND done.moment >= (
          (
            done.first_at - (
              done.first_at % 86400000000
            )
          ) - 86400000000
        )
        THEN done.m_e776c5259fe3d2c8
      END
    ) AS y13,
    SUM(
      CASE
        WHEN done.after < 0
        AND done.moment >= (
          (
            done.first_at - (
              done.first_at % 86400000000
            )
          ) - 86400000000
        )
        THEN done.m_1553c762c63ca968
      END
    ) AS y14,
    MAX(
      CASE
        WHEN done.after >= 86400000000
        AND done.after < 172800000000
        AND done.m_ad48923197ba169b > 0
        THEN CAST('1.0' AS DOUBLE)
      END
    ) AS y16,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_6203b0fd56934e5c
      END
    ) AS y18,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_7d1d4fec4156ae22
      END
    ) AS y19,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_1553c762c63ca968
      END
    ) AS y21,
    SUM(
      CASE
        WHEN done.after < 0
        AND done.moment >= (
          (
            done.first_at - (
              done.first_at % 86400000000
            )
          ) - 172800000000
        )
        THEN done.m_067a69f289efdeba
      END
    ) AS y24,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 604800000000
        THEN done.m_1553c762c63ca968
      END
    ) AS y29
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_e776c5259fe3d2c8,
      atoms.m_067a69f289efdeba,
      atoms.m_ccc9b4af9a8d3313,
      atoms.m_1143b925b7c5a89d,
      atoms.m_cd268ae0a18a828f,
      atoms.m_b57d040a8b2ad347,
      atoms.m_7d1d4fec4156ae22,
      atoms.m_1553c762c63ca968,
      atoms.m_ad48923197ba169b,
      atoms.m_6203b0fd56934e5c
    FROM firsts
    JOIN (
      SELECT
        track.unit,
        DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
        CASE WHEN track.name = 'purchase' THEN CAST('1.0' AS DOUBLE) END AS m_e776c5259fe3d2c8,
        CASE WHEN track.name = 'purchase' THEN track.value END AS m_067a69f289efdeba,
        CASE
          WHEN track.name = 'purchase'
          AND TYPEOF(GET(PARSE_JSON(track.properties), 'card')) IN ('BOOLEAN')
          AND CASE
            WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'card')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
            THEN CAST(GET(PARSE_JSON(track.properties), 'card') AS VARCHAR)
          END = 'true'
          THEN CAST('1.0' AS DOUBLE)
        END AS m_ccc9b4af9a8d3313,
        CASE
          WHEN track.name = 'purchase'
          AND CASE
            WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('INTEGER', 'DECIMAL', 'DOUBLE')
            THEN TRY_CAST(CASE
              WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
              THEN CAST(GET(PARSE_JSON(track.properties), 'size') AS VARCHAR)
            END AS DOUBLE)
          END = CAST('2.0' AS DOUBLE)
          THEN CAST('1.0' AS DOUBLE)
        END AS m_1143b925b7c5a89d,
        CASE
          WHEN track.name = 'purchase'
          THEN CASE
            WHEN ABS(
              CASE
                WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('INTEGER', 'DECIMAL', 'DOUBLE')
                THEN TRY_CAST(CASE
                  WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
                  THEN CAST(GET(PARSE_JSON(track.properties), 'size') AS VARCHAR)
                END AS DOUBLE)
              END
            ) <= CAST('1000000000000000.0' AS DOUBLE)
            THEN CASE
              WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('INTEGER', 'DECIMAL', 'DOUBLE')
              THEN TRY_CAST(CASE
                WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
                THEN CAST(GET(PARSE_JSON(track.properties), 'size') AS VARCHAR)
              END AS DOUBLE)
            END
          END
        END AS m_cd268ae0a18a828f,
        CASE
          WHEN track.name = 'page'
          THEN CASE
            WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR')
            THEN CASE
              WHEN CASE
                WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
                THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
              END = 'a'
              THEN CAST('1.5' AS DOUBLE)
              WHEN CASE
                WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
                THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
              END = 'b'
              THEN CAST('-4.0' AS DOUBLE)
            END
          END
        END AS m_b57d040a8b2ad347,
        CASE
          WHEN track.name = 'purchase' AND NOT track.value IS NULL
          THEN CAST('1.0' AS DOUBLE)
        END AS m_7d1d4fec4156ae22,
        CASE WHEN track.name = 'page' THEN CAST('1.0' AS DOUBLE) END AS m_1553c762c63ca968,
        CASE
          WHEN track.name = 'page'
          AND TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR')
          AND CASE
            WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
            THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
          END = 'a'
          THEN CAST('1.0' AS DOUBLE)
        END AS m_ad48923197ba169b,
        CASE
          WHEN track.name = 'purchase'
          AND NOT track.value IS NULL
          AND track.value > CAST('20.0' AS DOUBLE)
          THEN CAST('1.0' AS DOUBLE)
        END AS m_6203b0fd56934e5c
      FROM tracks AS track
      WHERE
        track.unit_type = 'user'
        AND track.name IN ('page', 'purchase')
        AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
        AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
        AND NOT track.is_early
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= (
        firsts.first_at - 345600000000
      )
      AND atoms.moment < (
        firsts.first_at + 604800000000
      )
  ) AS done
  GROUP BY
    done.pair
), touched1_0 AS (
  SELECT
    done.pair,
    MAX(
      CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 32400000000
          )
        )
        AND done.after < 172800000000
        AND done.m_e776c5259fe3d2c8 > 0
        THEN CAST('1.0' AS DOUBLE)
      END
    ) AS y22,
    SUM(
      CASE
        WHEN done.after >= 18000000000
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 32400000000
          )
        )
        AND done.after < 604800000000
        THEN done.m_067a69f289efdeba
      END
    ) AS y25,
    SUM(
      CASE
        WHEN done.after >= 18000000000
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 32400000000
          )
        )
        AND done.after < 604800000000
        THEN done.m_7d1d4fec4156ae22
      END
    ) AS y26
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_e776c5259fe3d2c8,
      atoms.m_067a69f289efdeba,
      atoms.m_7d1d4fec4156ae22,
      atoms.touched_0
    FROM firsts
    JOIN (
      SELECT
        told.unit,
        told.moment,
        told.m_e776c5259fe3d2c8,
        told.m_067a69f289efdeba,
        told.m_7d1d4fec4156ae22,
        MAX(CASE WHEN told.sort = 0 THEN told.moment END) OVER (
          PARTITION BY told.unit
          ORDER BY told.moment, told.sort
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS touched_0
      FROM (
        SELECT
          event.unit,
          event.moment,
          event.m_e776c5259fe3d2c8,
          event.m_067a69f289efdeba,
          event.m_7d1d4fec4156ae22,
          1 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
            CASE WHEN track.name = 'purchase' THEN CAST('1.0' AS DOUBLE) END AS m_e776c5259fe3d2c8,
            CASE WHEN track.name = 'purchase' THEN track.value END AS m_067a69f289efdeba,
            CASE
              WHEN track.name = 'purchase' AND NOT track.value IS NULL
              THEN CAST('1.0' AS DOUBLE)
            END AS m_7d1d4fec4156ae22
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('purchase')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
        UNION ALL
        SELECT
          event.unit,
          event.moment,
          CAST(NULL AS DOUBLE) AS m_e776c5259fe3d2c8,
          CAST(NULL AS DOUBLE) AS m_067a69f289efdeba,
          CAST(NULL AS DOUBLE) AS m_7d1d4fec4156ae22,
          0 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
          FROM tracks AS track
          WHERE
            (
              track.unit_type = 'user'
              AND track.name IN ('page')
              AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
              AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
              AND NOT track.is_early
            )
            AND TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR')
            AND CASE
              WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
              THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
            END = 'a'
        ) AS event
      ) AS told
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 604800000000
      )
  ) AS done
  GROUP BY
    done.pair
), touched2_0 AS (
  SELECT
    done.pair,
    SUM(
      CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 32400000000
          )
          OR done.touched_1 >= done.first_at
          AND done.moment < (
            done.touched_1 + 72000000000
          )
        )
        AND done.after < 259200000000
        THEN done.m_067a69f289efdeba
      END
    ) AS y23
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_067a69f289efdeba,
      atoms.touched_0,
      atoms.touched_1
    FROM firsts
    JOIN (
      SELECT
        told.unit,
        told.moment,
        told.m_067a69f289efdeba,
        MAX(CASE WHEN told.sort = 0 THEN told.moment END) OVER (
          PARTITION BY told.unit
          ORDER BY told.moment, told.sort
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS touched_0,
        MAX(CASE WHEN told.sort = 1 THEN told.moment END) OVER (
          PARTITION BY told.unit
          ORDER BY told.moment, told.sort
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS touched_1
      FROM (
        SELECT
          event.unit,
          event.moment,
          event.m_067a69f289efdeba,
          2 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
            CASE WHEN track.name = 'purchase' THEN track.value END AS m_067a69f289efdeba
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('purchase')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
        UNION ALL
        SELECT
          event.unit,
          event.moment,
          CAST(NULL AS DOUBLE) AS m_067a69f289efdeba,
          0 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
          FROM tracks AS track
          WHERE
            (
              track.unit_type = 'user'
              AND track.name IN ('page')
              AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
              AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
              AND NOT track.is_early
            )
            AND TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR')
            AND CASE
              WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
              THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
            END = 'a'
        ) AS event
        UNION ALL
        SELECT
          event.unit,
          event.moment,
          CAST(NULL AS DOUBLE) AS m_067a69f289efdeba,
          1 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('other')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
      ) AS told
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 259200000000
      )
  ) AS done
  GROUP BY
    done.pair
), touched3_0 AS (
  SELECT
    done.pair,
    SUM(
      CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 72000000000
          )
        )
        AND done.after < 604800000000
        THEN done.m_e776c5259fe3d2c8
      END
    ) AS y28,
    SUM(
      CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 72000000000
          )
        )
        AND done.after < 604800000000
        THEN done.m_6203b0fd56934e5c
      END
    ) AS y30,
    SUM(
      CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 72000000000
          )
        )
        AND done.after < 604800000000
        THEN done.m_7d1d4fec4156ae22
      END
    ) AS y31
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_e776c5259fe3d2c8,
      atoms.m_6203b0fd56934e5c,
      atoms.m_7d1d4fec4156ae22,
      atoms.touched_0
    FROM firsts
    JOIN (
      SELECT
        told.unit,
        told.moment,
        told.m_e776c5259fe3d2c8,
        told.m_6203b0fd56934e5c,
        told.m_7d1d4fec4156ae22,
        MAX(CASE WHEN told.sort = 0 THEN told.moment END) OVER (
          PARTITION BY told.unit
          ORDER BY told.moment, told.sort
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS touched_0
      FROM (
        SELECT
          event.unit,
          event.moment,
          event.m_e776c5259fe3d2c8,
          event.m_6203b0fd56934e5c,
          event.m_7d1d4fec4156ae22,
          1 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
            CASE WHEN track.name = 'purchase' THEN CAST('1.0' AS DOUBLE) END AS m_e776c5259fe3d2c8,
            CASE
              WHEN track.name = 'purchase'
              AND NOT track.value IS NULL
              AND track.value > CAST('20.0' AS DOUBLE)
              THEN CAST('1.0' AS DOUBLE)
            END AS m_6203b0fd56934e5c,
            CASE
              WHEN track.name = 'purchase' AND NOT track.value IS NULL
              THEN CAST('1.0' AS DOUBLE)
            END AS m_7d1d4fec4156ae22
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('purchase')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
        UNION ALL
        SELECT
          event.unit,
          event.moment,
          CAST(NULL AS DOUBLE) AS m_e776c5259fe3d2c8,
          CAST(NULL AS DOUBLE) AS m_6203b0fd56934e5c,
          CAST(NULL AS DOUBLE) AS m_7d1d4fec4156ae22,
          0 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('other')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
      ) AS told
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 604800000000
      )
  ) AS done
  GROUP BY
    done.pair
), touched4_0 AS (
  SELECT
    done.pair,
    SUM(
      CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 3600000000
          )
        )
        AND done.after < 604800000000
        THEN done.m_1553c762c63ca968
      END
    ) AS y32
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_1553c762c63ca968,
      atoms.touched_0
    FROM firsts
    JOIN (
      SELECT
        told.unit,
        told.moment,
        told.m_1553c762c63ca968,
        MAX(CASE WHEN told.sort = 0 THEN told.moment END) OVER (
          PARTITION BY told.unit
          ORDER BY told.moment, told.sort
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS touched_0
      FROM (
        SELECT
          event.unit,
          event.moment,
          event.m_1553c762c63ca968,
          1 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
            CASE WHEN track.name = 'page' THEN CAST('1.0' AS DOUBLE) END AS m_1553c762c63ca968
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('page')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
        UNION ALL
        SELECT
          event.unit,
          event.moment,
          CAST(NULL AS DOUBLE) AS m_1553c762c63ca968,
          0 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('page')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
      ) AS told
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 604800000000
      )
  ) AS done
  GROUP BY
    done.pair
), unique15 AS (
  SELECT
    done.pair,
    CAST(COUNT(
      DISTINCT CASE WHEN done.after >= 0 AND done.after < 259200000000 THEN done.text END
    ) AS DOUBLE) AS y15
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.text
    FROM firsts
    JOIN (
      SELECT
        track.unit,
        DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
        CASE
          WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
          THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
        END AS text
      FROM tracks AS track
      WHERE
        track.unit_type = 'user'
        AND track.name IN ('page')
        AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
        AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
        AND NOT track.is_early
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 259200000000
      )
  ) AS done
  GROUP BY
    done.pair
), funnel17_0 AS (
  SELECT
    taken.pair,
    MIN(taken.moment) AS step_at
  FROM (
    SELECT
      done.pair,
      done.moment AS moment
    FROM (
      SELECT
        firsts.pair,
        atoms.moment AS moment,
        firsts.first_at,
        (
          atoms.moment - firsts.first_at
        ) AS after
      FROM firsts
      JOIN (
        SELECT
          track.unit,
          DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
        FROM tracks AS track
        WHERE
          track.unit_type = 'user'
          AND track.name IN ('page')
          AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
          AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
          AND NOT track.is_early
      ) AS atoms
        ON atoms.unit = firsts.unit
        AND atoms.moment >= firsts.first_at
        AND atoms.moment < (
          firsts.first_at + 259200000000
        )
    ) AS done
    WHERE
      done.after >= 0
      AND done.moment < (
        (
          (
            done.first_at + 172800000000
          ) - (
            (
              done.first_at + 172800000000
            ) % 86400000000
          )
        ) + 86400000000
      )
  ) AS taken
  GROUP BY
    taken.pair
), funnel17_1 AS (
  SELECT
    taken.pair,
    MIN(taken.moment) AS step_at
  FROM (
    SELECT
      done.pair,
      done.moment AS moment
    FROM (
      SELECT
        firsts.pair,
        atoms.moment AS moment,
        firsts.first_at,
        (
          atoms.moment - firsts.first_at
        ) AS after
      FROM firsts
      JOIN (
        SELECT
          track.unit,
          DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
        FROM tracks AS track
        WHERE
          track.unit_type = 'user'
          AND track.name IN ('page')
          AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
          AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
          AND NOT track.is_early
      ) AS atoms
        ON atoms.unit = firsts.unit
        AND atoms.moment >= firsts.first_at
        AND atoms.moment < (
          firsts.first_at + 259200000000
        )
    ) AS done
    WHERE
      done.after >= 0
      AND done.moment < (
        (
          (
            done.first_at + 172800000000
          ) - (
            (
              done.first_at + 172800000000
            ) % 86400000000
          )
        ) + 86400000000
      )
  ) AS taken
  JOIN funnel17_0
    ON funnel17_0.pair = taken.pair AND taken.moment > funnel17_0.step_at
  GROUP BY
    taken.pair
), funnel17_2 AS (
  SELECT
    taken.pair,
    MIN(taken.moment) AS step_at
  FROM (
    SELECT
      done.pair,
      done.moment AS moment
    FROM (
      SELECT
        firsts.pair,
        atoms.moment AS moment,
        firsts.first_at,
        (
          atoms.moment - firsts.first_at
        ) AS after
      FROM firsts
      JOIN (
        SELECT
          track.unit,
          DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
        FROM tracks AS track
        WHERE
          track.unit_type = 'user'
          AND track.name IN ('purchase')
          AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
          AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
          AND NOT track.is_early
      ) AS atoms
        ON atoms.unit = firsts.unit
        AND atoms.moment >= firsts.first_at
        AND atoms.moment < (
          firsts.first_at + 259200000000
        )
    ) AS done
    WHERE
      done.after >= 0
      AND done.moment < (
        (
          (
            done.first_at + 172800000000
          ) - (
            (
              done.first_at + 172800000000
            ) % 86400000000
          )
        ) + 86400000000
      )
  ) AS taken
  JOIN funnel17_1
    ON funnel17_1.pair = taken.pair AND taken.moment > funnel17_1.step_at
  GROUP BY
    taken.pair
), funnel17 AS (
  SELECT
    funnel17_2.pair,
    CAST('1.0' AS DOUBLE) AS y17
  FROM funnel17_2
), asked20 AS (
  SELECT
    firsts.pair,
    atoms.moment AS moment,
    firsts.first_at,
    (
      atoms.moment - firsts.first_at
    ) AS after,
    atoms.asks,
    atoms.answered_at
  FROM firsts
  JOIN (
    SELECT
      said.unit,
      said.moment,
      said.asks,
      MIN(CASE WHEN said.asks = 0 THEN said.moment END) OVER (
        PARTITION BY said.unit
        ORDER BY said.moment, said.asks
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
      ) AS answered_at
    FROM (
      SELECT
        event.unit,
        event.moment,
        1 AS asks
      FROM (
        SELECT
          track.unit,
          DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
        FROM tracks AS track
        WHERE
          track.unit_type = 'user'
          AND track.name IN ('page')
          AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
          AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
          AND NOT track.is_early
      ) AS event
      UNION ALL
      SELECT
        event.unit,
        event.moment,
        0 AS asks
      FROM (
        SELECT
          track.unit,
          DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
        FROM tracks AS track
        WHERE
          track.unit_type = 'user'
          AND track.name IN ('purchase')
          AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
          AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
          AND NOT track.is_early
      ) AS event
    ) AS said
  ) AS atoms
    ON atoms.unit = firsts.unit
    AND atoms.moment >= firsts.first_at
    AND atoms.moment < (
      firsts.first_at + 172800000000
    )
), unanswered20 AS (
  SELECT
    done.pair,
    SUM(
      CASE
        WHEN done.asks = 1
        AND done.after >= 0
        AND done.after < 172800000000
        AND (
          done.answered_at IS NULL OR done.answered_at > (
            done.moment + 25200000000
          )
        )
        THEN CAST('1.0' AS DOUBLE)
      END
    ) AS y20
  FROM asked20 AS done
  GROUP BY
    done.pair
), unique27 AS (
  SELECT
    done.pair,
    CAST(COUNT(
      DISTINCT CASE
        WHEN done.after >= 0
        AND (
          done.touched_0 >= done.first_at
          AND done.moment < (
            done.touched_0 + 72000000000
          )
        )
        AND done.moment < (
          (
            (
              done.first_at + 86400000000
            ) - (
              (
                done.first_at + 86400000000
              ) % 86400000000
            )
          ) + 86400000000
        )
        THEN done.text
      END
    ) AS DOUBLE) AS y27
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.text,
      atoms.touched_0
    FROM firsts
    JOIN (
      SELECT
        told.unit,
        told.moment,
        told.text,
        MAX(CASE WHEN told.sort = 0 THEN told.moment END) OVER (
          PARTITION BY told.unit
          ORDER BY told.moment, told.sort
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS touched_0
      FROM (
        SELECT
          event.unit,
          event.moment,
          event.text,
          1 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
            CASE
              WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'kind')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
              THEN CAST(GET(PARSE_JSON(track.properties), 'kind') AS VARCHAR)
            END AS text
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('page')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
        UNION ALL
        SELECT
          event.unit,
          event.moment,
          CAST(NULL AS VARCHAR) AS text,
          0 AS sort
        FROM (
          SELECT
            track.unit,
            DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment
          FROM tracks AS track
          WHERE
            track.unit_type = 'user'
            AND track.name IN ('other')
            AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
            AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
            AND NOT track.is_early
        ) AS event
      ) AS told
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 172800000000
      )
  ) AS done
  GROUP BY
    done.pair
)
SELECT
  firsts.pair,
  firsts.unit,
  firsts.arm,
  firsts.first_at,
  firsts.is_crossed,
  COALESCE(totals0.y0, CAST('0.0' AS DOUBLE)) AS y0,
  LEAST(COALESCE(totals0.y1, CAST('0.0' AS DOUBLE)), CAST('2.0' AS DOUBLE)) AS y1,
  LEAST(COALESCE(totals0.y2, CAST('0.0' AS DOUBLE)), CAST('2.0' AS DOUBLE)) AS y2,
  LEAST(COALESCE(totals0.y3, CAST('0.0' AS DOUBLE)), CAST('60.0' AS DOUBLE)) AS y3,
  LEAST(COALESCE(totals0.y4, CAST('0.0' AS DOUBLE)), CAST('60.0' AS DOUBLE)) AS y4,
  COALESCE(totals0.y5, CAST('0.0' AS DOUBLE)) AS y5,
  COALESCE(totals0.y6, CAST('0.0' AS DOUBLE)) AS y6,
  COALESCE(totals0.y7, CAST('0.0' AS DOUBLE)) AS y7,
  COALESCE(totals0.y8, CAST('0.0' AS DOUBLE)) AS y8,
  COALESCE(totals0.y9, CAST('0.0' AS DOUBLE)) AS y9,
  COALESCE(totals0.y10, CAST('0.0' AS DOUBLE)) AS y10,
  COALESCE(totals0.y11, CAST('0.0' AS DOUBLE)) AS y11,
  COALESCE(totals0.y12, CAST('0.0' AS DOUBLE)) AS y12,
  COALESCE(totals0.y13, CAST('0.0' AS DOUBLE)) AS y13,
  COALESCE(totals0.y14, CAST('0.0' AS DOUBLE)) AS y14,
  COALESCE(unique15.y15, CAST('0.0' AS DOUBLE)) AS y15,
  COALESCE(totals0.y16, CAST('0.0' AS DOUBLE)) AS y16,
  COALESCE(funnel17.y17, CAST('0.0' AS DOUBLE)) AS y17,
  COALESCE(totals0.y18, CAST('0.0' AS DOUBLE)) AS y18,
  COALESCE(totals0.y19, CAST('0.0' AS DOUBLE)) AS y19,
  COALESCE(unanswered20.y20, CAST('0.0' AS DOUBLE)) AS y20,
  COALESCE(totals0.y21, CAST('0.0' AS DOUBLE)) AS y21,
  COALESCE(touched1_0.y22, CAST('0.0' AS DOUBLE)) AS y22,
  LEAST(COALESCE(touched2_0.y23, CAST('0.0' AS DOUBLE)), CAST('60.0' AS DOUBLE)) AS y23,
  LEAST(COALESCE(totals0.y24, CAST('0.0' AS DOUBLE)), CAST('60.0' AS DOUBLE)) AS y24,
  COALESCE(touched1_0.y25, CAST('0.0' AS DOUBLE)) AS y25,
  COALESCE(touched1_0.y26, CAST('0.0' AS DOUBLE)) AS y26,
  COALESCE(unique27.y27, CAST('0.0' AS DOUBLE)) AS y27,
  COALESCE(touched3_0.y28, CAST('0.0' AS DOUBLE)) AS y28,
  COALESCE(totals0.y29, CAST('0.0' AS DOUBLE)) AS y29,
  COALESCE(touched3_0.y30, CAST('0.0' AS DOUBLE)) AS y30,
  COALESCE(touched3_0.y31, CAST('0.0' AS DOUBLE)) AS y31,
  COALESCE(touched4_0.y32, CAST('0.0' AS DOUBLE)) AS y32
FROM firsts
LEFT JOIN totals0
  ON totals0.pair = firsts.pair
LEFT JOIN touched1_0
  ON touched1_0.pair = firsts.pair
LEFT JOIN touched2_0
  ON touched2_0.pair = firsts.pair
LEFT JOIN touched3_0
  ON touched3_0.pair = firsts.pair
LEFT JOIN touched4_0
  ON touched4_0.pair = firsts.pair
LEFT JOIN unique15
  ON unique15.pair = firsts.pair
LEFT JOIN funnel17
  ON funnel17.pair = firsts.pair
LEFT JOIN unanswered20
  ON unanswered20.pair = firsts.pair
LEFT JOIN unique27
  ON unique27.pair = firsts.pair;

-- sums
WITH firsts AS (
  SELECT
    seen.unit AS pair,
    seen.unit,
    seen.arm,
    seen.first_at,
    seen.is_crossed
  FROM (
    SELECT
      exposure.unit,
      exposure.variant AS arm,
      exposure.derived_at AS seen_at,
      DATE_PART(EPOCH_MICROSECOND, exposure.derived_at) AS first_at,
      ROW_NUMBER() OVER (PARTITION BY exposure.unit ORDER BY exposure.derived_at, exposure.id) AS place,
      CASE
        WHEN MIN(exposure.variant) OVER (PARTITION BY exposure.unit) <> MAX(exposure.variant) OVER (PARTITION BY exposure.unit)
        THEN 1
        ELSE 0
      END AS is_crossed
    FROM exposures AS exposure
    WHERE
      exposure.experiment = 'checkout'
      AND exposure.iteration = 1
      AND exposure.unit_type = 'user'
      AND exposure.variant IN ('control', 'treatment')
      AND exposure.derived_at >= CAST('2026-03-01 00:00:00' AS TIMESTAMPNTZ)
      AND exposure.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
      AND NOT exposure.is_early
  ) AS seen
  WHERE
    seen.place = 1 AND seen.seen_at < CAST('2026-03-04 00:00:00' AS TIMESTAMPNTZ)
), totals0 AS (
  SELECT
    done.pair,
    MAX(
      CASE
        WHEN done.after >= 0 AND done.after < 111600000000 AND done.m_e776c5259fe3d2c8 > 0
        THEN CAST('1.0' AS DOUBLE)
      END
    ) AS y0,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_067a69f289efdeba
      END
    ) AS y1,
    SUM(
      CASE
        WHEN done.after >= 0 AND done.after < 172800000000
        THEN done.m_7d1d4fec4156ae22
      END
    ) AS y2
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_e776c5259fe3d2c8,
      atoms.m_067a69f289efdeba,
      atoms.m_7d1d4fec4156ae22
    FROM firsts
    JOIN (
      SELECT
        track.unit,
        DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
        CASE WHEN track.name = 'purchase' THEN CAST('1.0' AS DOUBLE) END AS m_e776c5259fe3d2c8,
        CASE WHEN track.name = 'purchase' THEN track.value END AS m_067a69f289efdeba,
        CASE
          WHEN track.name = 'purchase' AND NOT track.value IS NULL
          THEN CAST('1.0' AS DOUBLE)
        END AS m_7d1d4fec4156ae22
      FROM tracks AS track
      WHERE
        track.unit_type = 'user'
        AND track.name IN ('purchase')
        AND track.derived_at >= CAST('2026-03-01 00:00:00' AS TIMESTAMPNTZ)
        AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
        AND NOT track.is_early
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 172800000000
      )
  ) AS done
  GROUP BY
    done.pair
), units AS (
  SELECT
    firsts.pair,
    firsts.unit,
    firsts.arm,
    firsts.first_at,
    firsts.is_crossed,
    COALESCE(totals0.y0, CAST('0.0' AS DOUBLE)) AS y0,
    COALESCE(totals0.y1, CAST('0.0' AS DOUBLE)) AS y1,
    COALESCE(totals0.y2, CAST('0.0' AS DOUBLE)) AS y2
  FROM firsts
  LEFT JOIN totals0
    ON totals0.pair = firsts.pair
)
SELECT
  units.arm,
  COUNT(*),
  SUM(units.is_crossed),
  SUM((
    units.y0 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y1 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y2 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y0 - CAST('0.0' AS DOUBLE)
  ) * (
    units.y0 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y0 - CAST('0.0' AS DOUBLE)
  ) * (
    units.y1 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y0 - CAST('0.0' AS DOUBLE)
  ) * (
    units.y2 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y1 - CAST('0.0' AS DOUBLE)
  ) * (
    units.y1 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y1 - CAST('0.0' AS DOUBLE)
  ) * (
    units.y2 - CAST('0.0' AS DOUBLE)
  )),
  SUM((
    units.y2 - CAST('0.0' AS DOUBLE)
  ) * (
    units.y2 - CAST('0.0' AS DOUBLE)
  )),
  MAX(units.y0),
  MAX(units.y1),
  MAX(units.y2)
FROM units
GROUP BY
  units.arm;

-- usual
WITH firsts AS (
  SELECT
    seen.unit AS pair,
    seen.unit,
    seen.arm,
    seen.first_at,
    seen.is_crossed
  FROM (
    SELECT
      exposure.unit,
      exposure.variant AS arm,
      exposure.derived_at AS seen_at,
      DATE_PART(EPOCH_MICROSECOND, exposure.derived_at) AS first_at,
      ROW_NUMBER() OVER (PARTITION BY exposure.unit ORDER BY exposure.derived_at, exposure.id) AS place,
      CASE
        WHEN MIN(exposure.variant) OVER (PARTITION BY exposure.unit) <> MAX(exposure.variant) OVER (PARTITION BY exposure.unit)
        THEN 1
        ELSE 0
      END AS is_crossed
    FROM exposures AS exposure
    WHERE
      exposure.experiment = 'checkout'
      AND exposure.iteration = 1
      AND exposure.unit_type = 'user'
      AND exposure.variant IN ('control', 'treatment')
      AND exposure.derived_at >= CAST('2026-03-01 00:00:00' AS TIMESTAMPNTZ)
      AND exposure.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
      AND NOT exposure.is_early
  ) AS seen
  WHERE
    seen.place = 1 AND seen.seen_at < CAST('2026-03-04 00:00:00' AS TIMESTAMPNTZ)
)
SELECT
  held.arm,
  held.bin,
  COUNT(*)
FROM (
  SELECT
    done.arm,
    CAST(COALESCE(
      SIGN(done.m_067a69f289efdeba) * (
        CAST('1000000.0' AS DOUBLE) + FLOOR(
          (
            (
              LN(NULLIF(ABS(done.m_067a69f289efdeba), CAST('0.0' AS DOUBLE))) * CAST('1000.499916708417' AS DOUBLE) + CAST('0.5' AS DOUBLE)
            )
          )
        )
      ),
      CAST('0.0' AS DOUBLE)
    ) AS BIGINT) AS bin
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      firsts.arm,
      atoms.m_067a69f289efdeba
    FROM firsts
    JOIN (
      SELECT
        track.unit,
        DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
        CASE WHEN track.name = 'purchase' THEN track.value END AS m_067a69f289efdeba
      FROM tracks AS track
      WHERE
        track.unit_type = 'user'
        AND track.name IN ('purchase')
        AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
        AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
        AND NOT track.is_early
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 172800000000
      )
  ) AS done
  WHERE
    NOT done.m_067a69f289efdeba IS NULL
    AND done.after >= 0
    AND done.after < 172800000000
) AS held
GROUP BY
  held.arm,
  held.bin;

-- slowest
WITH firsts AS (
  SELECT
    seen.unit AS pair,
    seen.unit,
    seen.arm,
    seen.first_at,
    seen.is_crossed
  FROM (
    SELECT
      exposure.unit,
      exposure.variant AS arm,
      exposure.derived_at AS seen_at,
      DATE_PART(EPOCH_MICROSECOND, exposure.derived_at) AS first_at,
      ROW_NUMBER() OVER (PARTITION BY exposure.unit ORDER BY exposure.derived_at, exposure.id) AS place,
      CASE
        WHEN MIN(exposure.variant) OVER (PARTITION BY exposure.unit) <> MAX(exposure.variant) OVER (PARTITION BY exposure.unit)
        THEN 1
        ELSE 0
      END AS is_crossed
    FROM exposures AS exposure
    WHERE
      exposure.experiment = 'checkout'
      AND exposure.iteration = 1
      AND exposure.unit_type = 'user'
      AND exposure.variant IN ('control', 'treatment')
      AND exposure.derived_at >= CAST('2026-03-01 00:00:00' AS TIMESTAMPNTZ)
      AND exposure.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
      AND NOT exposure.is_early
  ) AS seen
  WHERE
    seen.place = 1 AND seen.seen_at < CAST('2026-03-04 00:00:00' AS TIMESTAMPNTZ)
)
SELECT
  held.arm,
  held.bin,
  COUNT(*)
FROM (
  SELECT
    done.arm,
    CAST(COALESCE(
      SIGN(done.m_cd268ae0a18a828f) * (
        CAST('1000000.0' AS DOUBLE) + FLOOR(
          (
            (
              LN(NULLIF(ABS(done.m_cd268ae0a18a828f), CAST('0.0' AS DOUBLE))) * CAST('1000.499916708417' AS DOUBLE) + CAST('0.5' AS DOUBLE)
            )
          )
        )
      ),
      CAST('0.0' AS DOUBLE)
    ) AS BIGINT) AS bin
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      firsts.arm,
      atoms.m_cd268ae0a18a828f
    FROM firsts
    JOIN (
      SELECT
        track.unit,
        DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
        CASE
          WHEN track.name = 'purchase'
          THEN CASE
            WHEN ABS(
              CASE
                WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('INTEGER', 'DECIMAL', 'DOUBLE')
                THEN TRY_CAST(CASE
                  WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
                  THEN CAST(GET(PARSE_JSON(track.properties), 'size') AS VARCHAR)
                END AS DOUBLE)
              END
            ) <= CAST('1000000000000000.0' AS DOUBLE)
            THEN CASE
              WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('INTEGER', 'DECIMAL', 'DOUBLE')
              THEN TRY_CAST(CASE
                WHEN TYPEOF(GET(PARSE_JSON(track.properties), 'size')) IN ('VARCHAR', 'INTEGER', 'DECIMAL', 'DOUBLE', 'BOOLEAN')
                THEN CAST(GET(PARSE_JSON(track.properties), 'size') AS VARCHAR)
              END AS DOUBLE)
            END
          END
        END AS m_cd268ae0a18a828f
      FROM tracks AS track
      WHERE
        track.unit_type = 'user'
        AND track.name IN ('purchase')
        AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
        AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
        AND NOT track.is_early
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 172800000000
      )
  ) AS done
  WHERE
    NOT done.m_cd268ae0a18a828f IS NULL
    AND done.after >= 0
    AND done.moment < (
      (
        (
          done.first_at + 86400000000
        ) - (
          (
            done.first_at + 86400000000
          ) % 86400000000
        )
      ) + 86400000000
    )
) AS held
GROUP BY
  held.arm,
  held.bin;

-- spender
WITH firsts AS (
  SELECT
    seen.unit AS pair,
    seen.unit,
    seen.arm,
    seen.first_at,
    seen.is_crossed
  FROM (
    SELECT
      exposure.unit,
      exposure.variant AS arm,
      exposure.derived_at AS seen_at,
      DATE_PART(EPOCH_MICROSECOND, exposure.derived_at) AS first_at,
      ROW_NUMBER() OVER (PARTITION BY exposure.unit ORDER BY exposure.derived_at, exposure.id) AS place,
      CASE
        WHEN MIN(exposure.variant) OVER (PARTITION BY exposure.unit) <> MAX(exposure.variant) OVER (PARTITION BY exposure.unit)
        THEN 1
        ELSE 0
      END AS is_crossed
    FROM exposures AS exposure
    WHERE
      exposure.experiment = 'checkout'
      AND exposure.iteration = 1
      AND exposure.unit_type = 'user'
      AND exposure.variant IN ('control', 'treatment')
      AND exposure.derived_at >= CAST('2026-03-01 00:00:00' AS TIMESTAMPNTZ)
      AND exposure.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
      AND NOT exposure.is_early
  ) AS seen
  WHERE
    seen.place = 1 AND seen.seen_at < CAST('2026-03-04 00:00:00' AS TIMESTAMPNTZ)
), totals0 AS (
  SELECT
    done.pair,
    SUM(
      CASE
        WHEN done.after >= 18000000000 AND done.after < 172800000000
        THEN done.m_067a69f289efdeba
      END
    ) AS y0
  FROM (
    SELECT
      firsts.pair,
      atoms.moment AS moment,
      firsts.first_at,
      (
        atoms.moment - firsts.first_at
      ) AS after,
      atoms.m_067a69f289efdeba
    FROM firsts
    JOIN (
      SELECT
        track.unit,
        DATE_PART(EPOCH_MICROSECOND, track.derived_at) AS moment,
        CASE WHEN track.name = 'purchase' THEN track.value END AS m_067a69f289efdeba
      FROM tracks AS track
      WHERE
        track.unit_type = 'user'
        AND track.name IN ('purchase')
        AND track.derived_at >= CAST('2026-02-25 00:00:00' AS TIMESTAMPNTZ)
        AND track.derived_at < CAST('2026-03-06 00:00:00' AS TIMESTAMPNTZ)
        AND NOT track.is_early
    ) AS atoms
      ON atoms.unit = firsts.unit
      AND atoms.moment >= firsts.first_at
      AND atoms.moment < (
        firsts.first_at + 172800000000
      )
  ) AS done
  GROUP BY
    done.pair
)
SELECT
  held.arm,
  held.bin,
  COUNT(*)
FROM (
  SELECT
    units.arm,
    CAST(COALESCE(
      SIGN(units.y0) * (
        CAST('1000000.0' AS DOUBLE) + FLOOR(
          (
            (
              LN(NULLIF(ABS(units.y0), CAST('0.0' AS DOUBLE))) * CAST('1000.499916708417' AS DOUBLE) + CAST('0.5' AS DOUBLE)
            )
          )
        )
      ),
      CAST('0.0' AS DOUBLE)
    ) AS BIGINT) AS bin
  FROM (
    SELECT
      firsts.pair,
      firsts.unit,
      firsts.arm,
      firsts.first_at,
      firsts.is_crossed,
      COALESCE(totals0.y0, CAST('0.0' AS DOUBLE)) AS y0
    FROM firsts
    LEFT JOIN totals0
      ON totals0.pair = firsts.pair
  ) AS units
) AS held
GROUP BY
  held.arm,
  held.bin;
